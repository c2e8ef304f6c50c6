package chain

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// askFrom asks the server one question from an address of this machine, over
// UDP, and returns the answer's records.
func (s *server) askFrom(client, name string) string {
	s.t.Helper()
	c := dns.Client{Timeout: 5 * time.Second, Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(client)}}}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), s.addr("udp").String())
	if err != nil {
		return err.Error()
	}
	if m.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[m.Rcode]
	}
	var records []string
	for _, r := range m.Answer {
		records = append(records, strings.Join(strings.Fields(r.String()), " "))
	}
	return strings.Join(records, "\n")
}

// waitFrom asks until the answer is what it should be.
func (s *server) waitFrom(client, name, want string) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for ; ; time.Sleep(time.Millisecond) {
		got := s.askFrom(client, name)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s from %s (-want +got):\n%s", name, client, cmp.Diff(want, got))
		}
	}
}

// pod is a running v1 pod at an address.
func pod(name, addr string) string {
	return `{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "` + name + `"}, "status": {"phase": "Running", "podIP": "` + addr + `"}}`
}

const found = " 5 IN A 10.0.0.11"

// autopath walks a client's search path on the server: the first query of a
// client whose namespace is known brings the answer, whichever name of the
// path is the right one.
func TestAutopath(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.put("specs/other-ns/other", service("other", "10.0.0.12"))
	outside := filepath.Join(t.TempDir(), "db.root")
	zone := ". 60 IN SOA ns.example.org. root.example.org. 1 2 3 4 5\nwww.example.org. 60 IN A 203.0.113.80\n"
	if err := os.WriteFile(outside, []byte(zone), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, knows := range map[string]struct{ inside, pod string }{
		"client_namespace": {"client_namespace 127.0.0.2/32 my-ns", ""},
		"pods verified":    {"pods verified", "127.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			if knows.pod != "" {
				if _, err := etcd.Client().Put(t.Context(), "/registry/pods/my-ns/one", pod("one", knows.pod)); err != nil {
					t.Fatal(err)
				}
			}
			s := start(t, corefile(etcd.Endpoint(), knows.inside, "autopath @svcreg", "file "+outside+" ."))
			const path, client, stranger = ".my-ns.svc.cluster.local.", "127.0.0.2", "127.0.0.1"
			s.waitFrom(client, "my-service"+path, mySvc+found)
			alias := func(name, target, rest string) string {
				return name + path + " 5 IN CNAME " + target + "\n" + target + rest
			}
			for name, want := range map[string]string{
				"my-service.my-ns":                   alias("my-service.my-ns", mySvc, found),
				"other.other-ns.svc":                 alias("other.other-ns.svc", "other.other-ns.svc.cluster.local.", " 5 IN A 10.0.0.12"),
				"my-service.my-ns.svc.cluster.local": alias("my-service.my-ns.svc.cluster.local", mySvc, found),
				"www.example.org":                    "www.example.org" + path + " 60 IN CNAME www.example.org.\nwww.example.org. 60 IN A 203.0.113.80",
				"nothing":                            "NXDOMAIN",
			} {
				if diff := cmp.Diff(want, s.askFrom(client, name+path)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if got := s.askFrom(stranger, "my-service.my-ns"+path); got != "NXDOMAIN" {
				t.Errorf("whose namespace nobody knows is answered %s", got)
			}
		})
	}
}

// A bare name is that of a service in the client's namespace, which may be that
// of a pod which came a moment ago.
func TestBareNames(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	s := start(t, corefile(etcd.Endpoint(), "pods verified\nclient_namespace 127.0.0.3/32 my-ns"))
	const bare, client = "my-service.cluster.local.", "127.0.0.2"
	s.waitFrom("127.0.0.3", bare, bare+found)
	s.waitFrom(client, bare, "NXDOMAIN")
	if _, err := etcd.Client().Put(t.Context(), "/registry/pods/my-ns/one", pod("one", client)); err != nil {
		t.Fatal(err)
	}
	s.waitFrom(client, bare, bare+found)
	s.waitFrom(client, "127-0-0-2.my-ns.pod.cluster.local.", "127-0-0-2.my-ns.pod.cluster.local. 5 IN A 127.0.0.2")
	s.waitFrom("127.0.0.1", bare, "NXDOMAIN")
	if _, err := etcd.Client().Delete(t.Context(), "/registry/pods/my-ns/one"); err != nil {
		t.Fatal(err)
	}
	s.waitFrom(client, bare, "NXDOMAIN")
}

// A view by the client's namespace gives each namespace a cache of its own, so
// that nobody gets from it what was meant for others.
func TestBareNamesBehindCaches(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	stanza := "cache\nerrors\nbind 127.0.0.1\nsvcreg cluster.local {\nendpoint " + etcd.Endpoint() + "\nclient_namespace 127.0.0.2/32 my-ns\n}\n"
	s := start(t, ".:0 {\nmetadata\nview my-ns {\nexpr metadata('svcreg/client-namespace') == 'my-ns'\n}\n"+stanza+"}\n.:0 {\n"+stanza+"}\n")
	const bare = "my-service.cluster.local."
	s.waitFrom("127.0.0.2", bare, bare+found)
	for range 3 {
		if mine, others := s.askFrom("127.0.0.2", bare), s.askFrom("127.0.0.1", bare); !strings.HasSuffix(mine, " IN A 10.0.0.11") || others != "NXDOMAIN" {
			t.Errorf("the client is answered %s, another one %s", mine, others)
		}
	}
}
