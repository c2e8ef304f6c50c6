package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/test/lab"
)

// theirZone is a name server of its own, outside.
type theirZone struct {
	mu      sync.Mutex
	records []dns.RR
}

// ServeDNS answers with the records of the name and type.
func (z *theirZone) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	response := new(dns.Msg).SetReply(query)
	for _, rr := range z.records {
		if q := query.Question[0]; rr.Header().Name == strings.ToLower(q.Name) && rr.Header().Rrtype == q.Qtype {
			response.Answer = append(response.Answer, rr)
		}
	}
	_ = w.WriteMsg(response)
}

// set replaces all records.
func (z *theirZone) set(t *testing.T, lines ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = nil
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		z.records = append(z.records, rr)
	}
}

// serveZone runs a name server on a host until the test ends.
func serveZone(t *testing.T, host *lab.Host, address string) *theirZone {
	t.Helper()
	conn, err := host.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	z := &theirZone{}
	started, ended := make(chan struct{}), make(chan error, 1)
	server := &dns.Server{PacketConn: conn, Handler: z, NotifyStartedFunc: func() { close(started) }}
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return z
}

// serveSite answers HTTP requests on a port of a host with whom they are for, and
// which of the host's addresses got them.
func serveSite(t *testing.T, host *lab.Host, port string) {
	t.Helper()
	listener, err := host.Listen("tcp", ":"+port)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s at %v", r.Host, r.Context().Value(http.LocalAddrContextKey))
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-ended })
}

// A service of type ExternalName that has ports, applied as upstream's users
// write it, is an alias first, and then has a portal IP: for DNS, packets, the
// proxy path and the environment. It follows the name, and "None" ends it.
func TestServiceFollowsName(t *testing.T) {
	f := &fleet{t: t, dir: t.TempDir()}
	f.build(lab.New(t, "iptables", "dig", "curl"))
	serveSite(t, f.outside, "81")
	f.outside.Addr("lo", "198.51.100.8/32")
	zone := serveZone(t, f.outside, "192.0.2.1:53")
	f.etcd = run(t, f.node1, f.etcdCommand()...)
	f.client = f.connect(f.node1, "http://127.0.0.1:2379")
	f.waitEtcd()
	f.svcctl("init", "--portal-net=10.0.0.0/16")
	f.dns1 = f.startDNS(f.node1)
	f.proxyd1 = run(t, f.node1, program(t, "proxyd"), "--etcd-endpoints=http://192.0.2.10:2379", "--cluster-cidr=10.244.0.0/16",
		"--external-resolver=192.0.2.1:53", "--external-min-ttl=100ms", "--snapshot="+f.dir+"/proxyd.snapshot")
	for _, at := range []string{"10256/readyz", "8181/ready"} {
		eventually(t, patience, at, f.ready(f.node1, at))
	}
	const manifest = `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "site", "namespace": "my-ns"},
		"spec": {"type": "ExternalName", "externalName": "www.example.com", "ports": [{"name": "http", "port": 8000, "targetPort": 81}]%s}}`
	question := new(dns.Msg).SetQuestion("site.my-ns.svc.cluster.local.", dns.TypeA)
	records := func(want string) (got string) {
		t.Helper()
		eventually(t, patience, want, func() error {
			response, err := ask(f.node1, question, nameserver1)
			if err != nil {
				return err
			}
			got = fmt.Sprint(response.Answer)
			if !strings.Contains(got, want) {
				return fmt.Errorf("answers %s, want %s", got, want)
			}
			return nil
		})
		return got
	}
	reached := func(host *lab.Host, url, want string) {
		t.Helper()
		eventually(t, patience, url, func() error {
			body, err := f.fetch(host, url)
			if err == nil && body != want {
				err = fmt.Errorf("%q, want %q", body, want)
			}
			return err
		})
	}

	f.apply(fmt.Sprintf(manifest, ""))
	records("CNAME\twww.example.com.")
	zone.set(t, "www.example.com. 0 A 198.51.100.7")
	answer := strings.Fields(records("A\t10.0."))
	addr := strings.Trim(answer[len(answer)-1], "]")
	url := "http://" + addr + ":8000/"
	reached(f.pod1, url, addr+":8000 at 198.51.100.7:81")
	if env := f.svcctl("env", "-n", "my-ns"); !strings.Contains(env, "SITE_SERVICE_HOST="+addr) {
		t.Errorf("environment: %s", env)
	}
	described := f.svcctl("describe", "service", "site", "-n", "my-ns")
	if !strings.Contains(described, "198.51.100.7:81") || !strings.Contains(described, addr) {
		t.Errorf("describe: %s", described)
	}
	reached(f.node1, "http://127.0.0.1:8080/api/v1/namespaces/my-ns/services/site:http/proxy/", "www.example.com:81 at 198.51.100.7:81")

	zone.set(t, "www.example.com. 0 A 198.51.100.8", "www.example.com. 0 A 127.0.0.1", "www.example.com. 0 A "+addr)
	reached(f.pod1, url, addr+":8000 at 198.51.100.8:81")
	described = f.svcctl("describe", "service", "site", "-n", "my-ns")
	for _, want := range []string{"www.example.com is 127.0.0.1: a loopback address", "www.example.com is " + addr + ": the portal IP of my-ns/site"} {
		if !strings.Contains(described, want) {
			t.Errorf("describe doesn't say %q: %s", want, described)
		}
	}

	f.apply(fmt.Sprintf(manifest, `, "clusterIP": "None"`))
	records("CNAME\twww.example.com.")
	eventually(t, patience, url, func() error { // the rules may come after the record
		if body, err := f.fetch(f.pod1, url); err == nil {
			return fmt.Errorf("still leads to %q", body)
		}
		return nil
	})
}
