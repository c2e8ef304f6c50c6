package chain

import (
	"fmt"
	"io"
	golog "log"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// Each plugin that people put beside svcreg does its work on its answers, in a
// server, with a real etcd. The rest of this: autopath is in client_test.go,
// transfer in transfer_test.go too, and dnssec, which is not in this program
// because of what it brings along, in test/custombuild_test.go.
func TestPairings(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.put("specs/my-ns/web", `{"kind": "Service", "apiVersion": "v1", "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}}`)
	etcd.put("endpoints/my-ns/web", `{"kind": "Endpoints", "apiVersion": "v1", "subsets": [
		{"addresses": [{"ip": "192.0.2.1", "hostname": "a"}, {"ip": "192.0.2.2", "hostname": "b"}], "ports": [{"name": "http", "port": 8080}]}]}`)
	for _, tt := range []struct {
		beside string
		check  func(*testing.T, *server)
	}{
		{"loadbalance", inEveryOrder},
		{"minimal", withoutGlue},
		{"cache 30", fromCache},
		{"rewrite name suffix .example.org .cluster.local answer auto", underAnotherName},
		{"rewrite ttl suffix cluster.local 99", says("99 IN A 10.0.0.11")},
		{"header {\nresponse clear aa\n}", notAuthoritative},
		{"template IN A other.example.org {\nanswer \"{{ .Name }} 60 IN A 192.0.2.99\"\n}", says("5 IN A 10.0.0.11")},
		{"hosts {\n192.0.2.80 my-service.my-ns.svc.cluster.local\nfallthrough\n}", says("3600 IN A 192.0.2.80")}, // it stands in front
		{"acl {\nblock type AAAA\n}", blocked},
		{"nsid here", says("5 IN A 10.0.0.11")},
		{"bufsize 1232", says("5 IN A 10.0.0.11")},
		{"any", says("5 IN A 10.0.0.11")},
		{"transfer {\nto *\n}", transferred},
	} {
		t.Run(strings.SplitN(tt.beside, "\n", 2)[0], func(t *testing.T) {
			s := start(t, corefile(etcd.Endpoint(), "", tt.beside))
			tt.check(t, s)
			tt.check(t, s) // the second time a plugin may have something in store
		})
	}
}

const (
	webSvc = "web.my-ns.svc.cluster.local."
	webSRV = "_http._tcp." + webSvc
)

// mustExchange asks over UDP.
func mustExchange(t *testing.T, s *server, name string, qtype uint16) *dns.Msg {
	t.Helper()
	m, err := s.exchange("udp", name, qtype, 1232)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// says checks what follows the name in my-service's A record.
func says(want string) func(*testing.T, *server) {
	return func(t *testing.T, s *server) {
		t.Helper()
		m := mustExchange(t, s, mySvc, dns.TypeA)
		if len(m.Answer) != 1 || strings.Join(strings.Fields(m.Answer[0].String()), " ") != mySvc+" "+want {
			t.Errorf("got %v, want %s", m.Answer, want)
		}
	}
}

func inEveryOrder(t *testing.T, s *server) {
	orders := map[string]bool{}
	for range 200 {
		orders[said(mustExchange(t, s, webSvc, dns.TypeA))] = true
	}
	if diff := cmp.Diff(map[string]bool{"192.0.2.1 192.0.2.2": true, "192.0.2.2 192.0.2.1": true}, orders); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func withoutGlue(t *testing.T, s *server) {
	m := mustExchange(t, s, webSRV, dns.TypeSRV)
	if len(m.Answer) != 2 || len(m.Extra) != 1 || m.IsEdns0() == nil {
		t.Errorf("want two SRV records, and of the additional ones only OPT: %v", m)
	}
}

func fromCache(t *testing.T, s *server) {
	says5or4 := func(m *dns.Msg) bool { return len(m.Answer) == 1 && m.Answer[0].Header().Ttl <= 5 }
	if m := mustExchange(t, s, mySvc, dns.TypeA); !says5or4(m) || said(m) != "10.0.0.11" {
		t.Errorf("got %v", m.Answer)
	}
	before := numbers(t, "requests_total", "answer")
	for range 3 {
		if m := mustExchange(t, s, mySvc, dns.TypeA); said(m) != "10.0.0.11" {
			t.Errorf("got %v", m.Answer)
		}
		if m := mustExchange(t, s, webSRV, dns.TypeSRV); len(m.Answer) != 2 || len(m.Extra) != 3 {
			t.Errorf("got %v", m)
		}
	}
	if after := numbers(t, "requests_total", "answer"); after["records"]-before["records"] > 2 {
		t.Errorf("six questions made %v requests", after["records"]-before["records"])
	}
}

func underAnotherName(t *testing.T, s *server) {
	const name = "_http._tcp.web.my-ns.svc.example.org."
	m := mustExchange(t, s, name, dns.TypeSRV)
	if m.Question[0].Name != name || len(m.Answer) != 2 {
		t.Fatalf("got %v", m)
	}
	for _, r := range m.Answer {
		if r.Header().Name != name || !strings.HasSuffix(r.(*dns.SRV).Target, ".web.my-ns.svc.example.org.") {
			t.Errorf("got %v", r)
		}
	}
}

func notAuthoritative(t *testing.T, s *server) {
	if m := mustExchange(t, s, mySvc, dns.TypeA); m.Authoritative || said(m) != "10.0.0.11" {
		t.Errorf("got %v", m)
	}
}

func blocked(t *testing.T, s *server) {
	says("5 IN A 10.0.0.11")(t, s)
	if got := said(mustExchange(t, s, mySvc, dns.TypeAAAA)); got != "REFUSED" {
		t.Errorf("a blocked type is answered with %q", got)
	}
}

func transferred(t *testing.T, s *server) {
	got := map[string]bool{}
	for _, r := range transferOf(t, s.addr("tcp").String(), "cluster.local.") {
		got[r.Header().Name+" "+dns.TypeToString[r.Header().Rrtype]] = true
	}
	for _, want := range []string{"cluster.local. SOA", mySvc + " A", webSvc + " A", webSRV + " SRV", "a." + webSvc + " A"} {
		if !got[want] {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if m := mustExchange(t, s, "cluster.local.", dns.TypeAXFR); m.Rcode == dns.RcodeSuccess && len(m.Answer) > 1 {
		t.Errorf("a zone over UDP: %v", m)
	}
}

// get returns the status and the body of a page; 0 if there is none.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// ready waits for the registry, and does not care that etcd goes away.
func TestPairingReady(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.Stop()
	addr := registrytest.FreeAddress(t)
	s := start(t, corefile(etcd.Endpoint(), "startup_timeout 10ms", "ready "+addr))
	eventually(t, "503", func() bool {
		status, body := get(t, "http://"+addr+"/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "svcreg")
	})
	etcd.Restart()
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	isReady := func() bool { status, _ := get(t, "http://"+addr+"/ready"); return status == http.StatusOK }
	eventually(t, "200", isReady)
	etcd.Stop()
	if !isReady() {
		t.Error("not ready without etcd")
	}
}

// prometheus exports this plugin's metrics, and counts its answers.
func TestPairingPrometheus(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	addr := registrytest.FreeAddress(t)
	s := start(t, corefile(etcd.Endpoint(), "", "prometheus "+addr))
	var page string
	load := func() bool {
		var status int
		status, page = get(t, "http://"+addr+"/metrics")
		return status == http.StatusOK
	}
	eventually(t, "the page", load)
	counted := func(rcode string) float64 {
		return sums(t, page, "coredns_dns_responses_total", "rcode")[rcode]
	}
	noError, nxDomain := counted("NOERROR"), counted("NXDOMAIN")
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	s.want("nothing."+mySvc, dns.TypeA, "NXDOMAIN")
	eventually(t, "the counts of two answers each, which are made once they are sent", func() bool {
		return load() && counted("NOERROR") == noError+2 && counted("NXDOMAIN") == nxDomain+2
	})
	for _, want := range []string{
		`coredns_svcreg_objects{kind="Service",registry="` + etcd.Endpoint() + `/registry",server="dns://127.0.0.1:0",view="",zone="cluster.local."} 1`,
		"coredns_svcreg_requests_total{", "coredns_svcreg_snapshot_age_seconds{",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// view sends clients and names to server blocks of their own; what a query
// names comes from metadata.
func TestPairingView(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.put("specs/other-ns/my-service", service("my-service", "10.0.0.12"))
	port := strings.TrimPrefix(registrytest.FreeAddress(t), "127.0.0.1:")
	block := func(view string, ttl int) string {
		return fmt.Sprintf(".:%s {\nbind 127.0.0.1\nmetadata\n%s\nsvcreg cluster.local in-addr.arpa {\nendpoint %s\nttl %d\n}\n}\n", port, view, etcd.Endpoint(), ttl)
	}
	s := start(t, block("view addresses {\nexpr type() == 'PTR'\n}", 11)+
		block("view mine {\nexpr metadata('svcreg/namespace') == 'my-ns'\n}", 22)+
		block("", 33))
	for _, tt := range []struct {
		name  string
		qtype uint16
		ttl   uint32
	}{
		{mySvc, dns.TypeA, 22},
		{"my-service.other-ns.svc.cluster.local.", dns.TypeA, 33},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, 11},
	} {
		m := mustExchange(t, s, tt.name, tt.qtype)
		if len(m.Answer) != 1 || m.Answer[0].Header().Ttl != tt.ttl {
			t.Errorf("%s: got %v, want a TTL of %d", tt.name, m.Answer, tt.ttl)
		}
	}
	if views := numbers(t, "synced", "view"); len(views) != 3 {
		t.Errorf("the views %v have metrics, want three", views)
	}
}

// log writes what a query names, which it has from metadata.
func TestPairingLog(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	var out registrytest.Log
	golog.SetOutput(&out)
	defer golog.SetOutput(os.Stderr)
	s := start(t, corefile(etcd.Endpoint(), "", "metadata", `log . "asked for {/svcreg/kind} {/svcreg/service} in {/svcreg/namespace}: {rcode}"`))
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	eventually(t, "the line", func() bool { return out.Has("asked for svc my-service in my-ns: NOERROR") })
}

// The reload plugin, which can't see that a Corefile came from a test, stands
// beside it at least; TestReload does what it does, under queries.
func TestPairingReload(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	beside := []string{"reload 2s 1s", "ready " + registrytest.FreeAddress(t), "prometheus " + registrytest.FreeAddress(t), "cache 1", "loadbalance"}
	s := start(t, corefile(etcd.Endpoint(), "ttl 1", beside...))
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	load := startLoad(t, s.addr("udp").String(), mySvc, "10.0.0.11")
	for ttl := range 3 {
		if err := s.reload(corefile(etcd.Endpoint(), fmt.Sprintf("ttl %d", ttl+1), beside...)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // some queries
	}
	load.stop()
}
