package chain

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// patience is how long a test waits for what must come, however busy the
// machine is.
const patience = 30 * time.Second

// server is a CoreDNS in the test process.
type server struct {
	t        *testing.T
	instance *caddy.Instance
}

// start starts a CoreDNS, and stops it when the test ends.
func start(t *testing.T, corefile string) *server {
	t.Helper()
	caddy.Quiet, dnsserver.Quiet = true, true
	instance, err := caddy.Start(input(corefile))
	if err != nil {
		t.Fatalf("start: %v\n%s", err, corefile)
	}
	s := &server{t, instance}
	t.Cleanup(s.stop)
	return s
}

func input(corefile string) caddy.Input {
	return caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"}
}

// stop stops it, once.
func (s *server) stop() {
	if s.instance == nil {
		return
	}
	s.instance.ShutdownCallbacks()
	if err := s.instance.Stop(); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	s.instance = nil
}

// reload restarts it with another Corefile as the reload plugin does.
func (s *server) reload(corefile string) error {
	instance, err := s.instance.Restart(input(corefile))
	s.instance = instance
	return err
}

func (s *server) addr(network string) net.Addr {
	if network == "tcp" {
		return s.instance.Servers()[0].Addr()
	}
	return s.instance.Servers()[0].LocalAddr()
}

// exchange asks the server one question.
func (s *server) exchange(network, name string, qtype uint16, edns uint16) (*dns.Msg, error) {
	r := new(dns.Msg).SetQuestion(name, qtype)
	if edns > 0 {
		r.SetEdns0(edns, false)
	}
	c := dns.Client{Net: network, UDPSize: max(edns, dns.MinMsgSize), Timeout: patience}
	m, _, err := c.Exchange(r, s.addr(network).String())
	return m, err
}

// answer is what the server says to a question: the rcode if it isn't NOERROR,
// else the records' data.
func (s *server) answer(network, name string, qtype uint16) string {
	s.t.Helper()
	m, err := s.exchange(network, name, qtype, 0)
	if err != nil {
		return err.Error()
	}
	return said(m)
}

func said(m *dns.Msg) string {
	if m.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[m.Rcode]
	}
	var data []string
	for _, r := range m.Answer {
		data = append(data, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	return strings.Join(data, " ")
}

// want waits until the server's answer is what it should be, over UDP and TCP.
func (s *server) want(name string, qtype uint16, want string) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for _, network := range []string{"udp", "tcp"} {
		for {
			got := s.answer(network, name, qtype)
			if got == want {
				break
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("%s %s over %s: got %q, want %q", name, dns.TypeToString[qtype], network, got, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// registry is an etcd with a registry in it.
type registry struct {
	*registrytest.Etcd
	t *testing.T
}

func startRegistry(t *testing.T) registry { return registry{registrytest.StartEtcd(t), t} }

func (r registry) put(key, value string) {
	r.t.Helper()
	if _, err := r.Client().Put(r.t.Context(), "/registry/services/"+key, value); err != nil {
		r.t.Fatal(err)
	}
}

func (r registry) delete(key string) {
	r.t.Helper()
	if _, err := r.Client().Delete(r.t.Context(), "/registry/services/"+key); err != nil {
		r.t.Fatal(err)
	}
}

// service is a v1beta1 service with a portal IP, or a headless one of "None".
func service(name, portalIP string) string {
	return fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1beta1", "id": %q, "port": 80, "portalIP": %q}`, name, portalIP)
}

// endpoints are a v1beta1 service's, each an "address:port".
func endpoints(name string, each ...string) string {
	return fmt.Sprintf(`{"kind": "Endpoints", "apiVersion": "v1beta1", "id": %q, "endpoints": ["%s"]}`, name, strings.Join(each, `", "`))
}

// corefile has svcreg for cluster.local, and some lines in its stanza and
// beside it.
func corefile(endpoint, inside string, beside ...string) string {
	return fmt.Sprintf(".:0 {\nbind 127.0.0.1\nerrors\n%s\nsvcreg cluster.local in-addr.arpa {\nendpoint %s\n%s\n}\n}\n",
		strings.Join(beside, "\n"), endpoint, inside)
}
