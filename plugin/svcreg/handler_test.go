package svcreg

import (
	"context"
	_ "embed"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry/registrytest"
)

//go:embed testdata/registry.yaml
var manifests string

// theZones are those of the tests.
var theZones = []string{"cluster.local.", "in-addr.arpa.", "ip6.arpa."}

// testServer is a handler of one stanza.
type testServer struct {
	*handler
	*stanza
}

// newTestServer returns a handler that answers for some zones, as at
// 198.51.100.53, and knows no registry yet.
func newTestServer(zones ...string) *testServer {
	return newTestServerOf(&options{zones: zones, ttl: defaultTTL, shortNames: true})
}

func newTestServerOf(o *options) *testServer {
	s := newStanza(o, parseAddrs([]string{"198.51.100.53"}))
	h := &testServer{&handler{stanzas: []*stanza{s}, next: test.NextHandler(dns.RcodeRefused, nil)}, s}
	s.upstream = internet{h}
	return h
}

// loaded is newTestServer with the registry of testdata.
func loaded(t testing.TB, zones ...string) *testServer {
	t.Helper()
	h := newTestServer(zones...)
	h.update(registrytest.Snapshot(t, manifests), nil)
	return h
}

// internet looks names up: those of the handler's zones there, beside them it
// knows one name only.
type internet struct{ h *testServer }

func (i internet) Lookup(ctx context.Context, state request.Request, name string, qtype uint16) (*dns.Msg, error) {
	r := state.NewWithQuestion(name, qtype).Req
	if zone, _ := i.h.zones.match(name); zone != nil {
		rec := dnstest.NewRecorder(&test.ResponseWriter{})
		rcode, err := i.h.ServeDNS(ctx, rec, r)
		if rec.Msg == nil {
			return new(dns.Msg).SetRcode(r, rcode), err
		}
		return rec.Msg, err
	}
	m := new(dns.Msg).SetReply(r)
	switch {
	case name != "www.example.org.":
		m.Rcode = dns.RcodeNameError
	case qtype == dns.TypeA:
		m.Answer = []dns.RR{test.A("www.example.org. 300 IN A 203.0.113.80")}
	default:
		m.Ns = []dns.RR{test.SOA("example.org. 300 IN SOA ns.example.org. root.example.org. 1 2 3 4 5")}
	}
	return m, nil
}

// ask sends a question to a handler and returns its answer. An answer that the
// handler leaves to the server is one with that rcode.
func ask(t testing.TB, h plugin.Handler, name string, qtype uint16) *dns.Msg {
	t.Helper()
	r := new(dns.Msg).SetQuestion(name, qtype)
	rec := dnstest.NewRecorder(&test.ResponseWriter{})
	rcode, err := h.ServeDNS(t.Context(), rec, r)
	if err != nil {
		t.Fatalf("ServeDNS(%s %s): %v", name, dns.TypeToString[qtype], err)
	}
	if rec.Msg == nil {
		return new(dns.Msg).SetRcode(r, rcode)
	}
	if !rec.Msg.Response || rec.Msg.Id != r.Id || !cmp.Equal(rec.Msg.Question, r.Question) {
		t.Fatalf("%s %s: not a reply to the question: %v", name, dns.TypeToString[qtype], rec.Msg)
	}
	return rec.Msg
}

// text writes an answer as the tests do: the rcode, whether it is
// authoritative, and its records, those of the authority section behind
// "ns:", the additional ones behind "extra:", all with single spaces. The SOA
// record of cluster.local is abbreviated.
func text(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode])
	if m.Authoritative {
		b.WriteString(" aa")
	}
	section := func(prefix string, records []dns.RR) {
		for _, r := range records {
			line := strings.Join(strings.Fields(r.String()), " ")
			b.WriteString("\n" + prefix + strings.ReplaceAll(line, clusterSOA, "SOA"))
		}
	}
	section("", m.Answer)
	section("ns: ", m.Ns)
	section("extra: ", m.Extra)
	return b.String()
}

const clusterSOA = "cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 29 7200 1800 86400 5"

const (
	noData   = "NOERROR aa\nns: SOA"
	nxDomain = "NXDOMAIN aa\nns: SOA"
)

// lines joins the lines of an expected answer.
func lines(l ...string) string { return "NOERROR aa\n" + strings.Join(l, "\n") }

// question is a question and the whole answer that is expected.
type question struct {
	name  string
	qtype uint16
	want  string
}

func run(t *testing.T, h plugin.Handler, questions []question) {
	t.Helper()
	for _, q := range questions {
		t.Run(q.name+" "+dns.TypeToString[q.qtype], func(t *testing.T) {
			if diff := cmp.Diff(q.want, text(ask(t, h, q.name, q.qtype))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// The points of DNS-Based Service Discovery 1.1.0 that concern services with
// a portal IP.
func TestPortalServices(t *testing.T) {
	const glue = "extra: my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11"
	run(t, loaded(t, theZones...), []question{
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, lines("my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.cluster.local.", dns.TypeA, lines("my-service.my-ns.cluster.local. 5 IN A 10.0.0.11")},
		{"My-Service.MY-NS.svc.Cluster.Local.", dns.TypeA, lines("My-Service.MY-NS.svc.Cluster.Local. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeAAAA, noData},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeMX, noData},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeCNAME, noData},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeSRV, noData}, // named ports only
		{"my-service.my-ns.svc.cluster.local.", dns.TypeANY, lines("my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"dual.my-ns.svc.cluster.local.", dns.TypeA, lines("dual.my-ns.svc.cluster.local. 5 IN A 10.0.0.12")},
		{"dual.my-ns.svc.cluster.local.", dns.TypeAAAA, lines("dual.my-ns.svc.cluster.local. 5 IN AAAA fd00::12")},
		{"dual.my-ns.cluster.local.", dns.TypeAAAA, lines("dual.my-ns.cluster.local. 5 IN AAAA fd00::12")},
		{"dual.my-ns.svc.cluster.local.", dns.TypeANY, lines("dual.my-ns.svc.cluster.local. 5 IN A 10.0.0.12")},
		{"redis-master.default.svc.cluster.local.", dns.TypeA, lines("redis-master.default.svc.cluster.local. 5 IN A 10.0.0.13")},

		{"_http._tcp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
			"_http._tcp.my-service.my-ns.svc.cluster.local. 5 IN SRV 0 100 80 my-service.my-ns.svc.cluster.local.", glue)},
		{"_dns._udp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
			"_dns._udp.my-service.my-ns.svc.cluster.local. 5 IN SRV 0 100 53 my-service.my-ns.svc.cluster.local.", glue)},
		{"_HTTP._tcp.my-service.my-ns.cluster.local.", dns.TypeSRV, lines(
			"_HTTP._tcp.my-service.my-ns.cluster.local. 5 IN SRV 0 100 80 my-service.my-ns.cluster.local.",
			"extra: my-service.my-ns.cluster.local. 5 IN A 10.0.0.11")},
		{"_http._tcp.dual.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
			"_http._tcp.dual.my-ns.svc.cluster.local. 5 IN SRV 0 100 80 dual.my-ns.svc.cluster.local.",
			"extra: dual.my-ns.svc.cluster.local. 5 IN A 10.0.0.12",
			"extra: dual.my-ns.svc.cluster.local. 5 IN AAAA fd00::12")},
		{"_http._tcp.my-service.my-ns.svc.cluster.local.", dns.TypeA, noData},
		{"_tcp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, noData}, // something is below it
		{"_sctp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain},
		{"_http._udp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain},
		{"_._tcp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain}, // the port without a name
		{"_tcp.redis-master.default.svc.cluster.local.", dns.TypeSRV, nxDomain},
	})
}

// What exists, what exists without a record of that type, and what does not.
func TestExistence(t *testing.T) {
	run(t, loaded(t, theZones...), []question{
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"nothing.my-ns.cluster.local.", dns.TypeA, nxDomain},
		{"my-service.nowhere.svc.cluster.local.", dns.TypeA, nxDomain},
		{"x.my-service.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"a.b.c.d.e.cluster.local.", dns.TypeA, nxDomain},
		{"my-service.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"192-0-2-40.my-service.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"nothing.my-ns.svc.cluster.local.", dns.TypeSOA, nxDomain},

		{"unallocated.default.svc.cluster.local.", dns.TypeA, noData},
		{"portless.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},

		{"svc.cluster.local.", dns.TypeA, noData},
		{"my-ns.svc.cluster.local.", dns.TypeA, noData},
		{"my-ns.cluster.local.", dns.TypeTXT, noData},
		{"quiet.svc.cluster.local.", dns.TypeA, noData},
		{"nowhere.svc.cluster.local.", dns.TypeA, nxDomain},
		{"nowhere.cluster.local.", dns.TypeA, nxDomain},

		// "svc" is the schema's label first, and a namespace's name second.
		{"odd.svc.svc.cluster.local.", dns.TypeA, lines("odd.svc.svc.cluster.local. 5 IN A 10.0.0.15")},
		{"odd.svc.cluster.local.", dns.TypeA, lines("odd.svc.cluster.local. 5 IN A 10.0.0.15")},

		// A dot that belongs to a label separates nothing.
		{`my-service\.my-ns.svc.cluster.local.`, dns.TypeA, nxDomain},
		{`x.my-service.my-ns\.svc.cluster.local.`, dns.TypeA, nxDomain},
		{`my-service.my-ns.svc\.cluster.local.`, dns.TypeA, "REFUSED"}, // another zone
		{`my-service.my-ns.svc\\.cluster.local.`, dns.TypeA, nxDomain},
		{"cluster.local.example.org.", dns.TypeA, "REFUSED"},
		{"xcluster.local.", dns.TypeA, "REFUSED"},
		{"local.", dns.TypeA, "REFUSED"},
	})
}

func TestHeadlessServices(t *testing.T) {
	const (
		web  = "web.my-ns.svc.cluster.local."
		http = "_http._tcp.web.my-ns.svc.cluster.local."
	)
	run(t, loaded(t, theZones...), []question{
		{web, dns.TypeA, lines(web+" 5 IN A 192.0.2.1", web+" 5 IN A 192.0.2.2")},
		{web, dns.TypeAAAA, lines(web+" 5 IN AAAA 2001:db8::1", web+" 5 IN AAAA 2001:db8::")},
		{"web.my-ns.cluster.local.", dns.TypeA, lines("web.my-ns.cluster.local. 5 IN A 192.0.2.1", "web.my-ns.cluster.local. 5 IN A 192.0.2.2")},
		{"web-0." + web, dns.TypeA, lines("web-0." + web + " 5 IN A 192.0.2.1")},
		{"WEB-0." + web, dns.TypeA, lines("WEB-0." + web + " 5 IN A 192.0.2.1")},
		{"web-0." + web, dns.TypeAAAA, lines("web-0." + web + " 5 IN AAAA 2001:db8::1")},
		{"web-0.web.my-ns.cluster.local.", dns.TypeA, lines("web-0.web.my-ns.cluster.local. 5 IN A 192.0.2.1")},
		{"192-0-2-2." + web, dns.TypeA, lines("192-0-2-2." + web + " 5 IN A 192.0.2.2")},
		{"192-0-2-2." + web, dns.TypeAAAA, noData},
		{"2001-db8--0." + web, dns.TypeAAAA, lines("2001-db8--0." + web + " 5 IN AAAA 2001:db8::")},
		{"192-0-2-1." + web, dns.TypeA, nxDomain}, // it has a hostname
		{"web-2." + web, dns.TypeA, nxDomain},     // it isn't ready
		{http, dns.TypeSRV, lines(
			http+" 5 IN SRV 0 33 8080 192-0-2-2."+web,
			http+" 5 IN SRV 0 33 8080 2001-db8--0."+web,
			http+" 5 IN SRV 0 33 8080 web-0."+web,
			"extra: 192-0-2-2."+web+" 5 IN A 192.0.2.2",
			"extra: 2001-db8--0."+web+" 5 IN AAAA 2001:db8::",
			"extra: web-0."+web+" 5 IN A 192.0.2.1",
			"extra: web-0."+web+" 5 IN AAAA 2001:db8::1")},
		{"_metrics._tcp." + web, dns.TypeSRV, lines( // of the IPv4 slice only
			"_metrics._tcp."+web+" 5 IN SRV 0 50 9090 192-0-2-2."+web,
			"_metrics._tcp."+web+" 5 IN SRV 0 50 9090 web-0."+web,
			"extra: 192-0-2-2."+web+" 5 IN A 192.0.2.2",
			"extra: web-0."+web+" 5 IN A 192.0.2.1",
			"extra: web-0."+web+" 5 IN AAAA 2001:db8::1")},

		{"unready.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"_http._tcp.unready.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain},
		{"eager.my-ns.svc.cluster.local.", dns.TypeA, lines("eager.my-ns.svc.cluster.local. 5 IN A 192.0.2.10")},
		{"bare.my-ns.svc.cluster.local.", dns.TypeA, lines("bare.my-ns.svc.cluster.local. 5 IN A 192.0.2.20")},
		{"_peer._tcp.peers.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
			"_peer._tcp.peers.my-ns.svc.cluster.local. 5 IN SRV 0 100 2380 192-0-2-21.peers.my-ns.svc.cluster.local.",
			"extra: 192-0-2-21.peers.my-ns.svc.cluster.local. 5 IN A 192.0.2.21")},
	})
}

func TestZoneNames(t *testing.T) {
	const version = `dns-version.cluster.local. 28800 IN TXT "1.1.0"`
	run(t, loaded(t, theZones...), []question{
		{"dns-version.cluster.local.", dns.TypeTXT, lines(version)},
		{"dns-version.cluster.local.", dns.TypeA, noData},
		{"cluster.local.", dns.TypeSOA, lines("SOA")},
		{"cluster.local.", dns.TypeNS, lines("cluster.local. 5 IN NS ns.dns.cluster.local.", "extra: ns.dns.cluster.local. 5 IN A 198.51.100.53")},
		{"cluster.local.", dns.TypeA, noData},
		{"cluster.local.", dns.TypeDS, noData},
		{"Cluster.Local.", dns.TypeNS, lines("Cluster.Local. 5 IN NS ns.dns.cluster.local.", "extra: ns.dns.cluster.local. 5 IN A 198.51.100.53")},
		{"ns.dns.cluster.local.", dns.TypeA, lines("ns.dns.cluster.local. 5 IN A 198.51.100.53")},
		{"ns.dns.cluster.local.", dns.TypeAAAA, noData},
		{"dns.cluster.local.", dns.TypeA, noData},
		{"cluster.local.", dns.TypeAXFR, "REFUSED"},
		{"cluster.local.", dns.TypeIXFR, "REFUSED"},
	})
}

// With the root as the zone, a service's name is all there is to it.
func TestRootZone(t *testing.T) {
	soa := "ns: . 5 IN SOA ns.dns. hostmaster. 29 7200 1800 86400 5"
	h := loaded(t, ".")
	run(t, h, []question{
		{"my-service.my-ns.", dns.TypeA, lines("my-service.my-ns. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.svc.", dns.TypeA, lines("my-service.my-ns.svc. 5 IN A 10.0.0.11")},
		{"web-0.web.my-ns.", dns.TypeA, lines("web-0.web.my-ns. 5 IN A 192.0.2.1")},
		{"_http._tcp.my-service.my-ns.", dns.TypeSRV, lines(
			"_http._tcp.my-service.my-ns. 5 IN SRV 0 100 80 my-service.my-ns.",
			"extra: my-service.my-ns. 5 IN A 10.0.0.11")},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, lines("11.0.0.10.in-addr.arpa. 5 IN PTR my-service.my-ns.svc.")},
		{"my-ns.", dns.TypeA, "NOERROR aa\n" + soa},
		{".", dns.TypeNS, lines(". 5 IN NS ns.dns.", "extra: ns.dns. 5 IN A 198.51.100.53")},
		{"www.example.org.", dns.TypeA, "NXDOMAIN aa\n" + soa},
	})
	// Where others may know more, they are also asked about the root itself.
	h.fall = fall.Root
	run(t, h, []question{
		{"www.example.org.", dns.TypeA, "REFUSED"},
		{".", dns.TypeNS, "REFUSED"},
		{"my-service.my-ns.", dns.TypeA, lines("my-service.my-ns. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.", dns.TypeAAAA, "NOERROR aa\n" + soa},
	})
}

// The longest zone has a name; PTR records lead to the first zone that is a
// real one.
func TestSeveralZones(t *testing.T) {
	run(t, loaded(t, ".", "example.org.", "in.example.org.", "0.10.in-addr.arpa."), []question{
		{"my-service.my-ns.", dns.TypeA, lines("my-service.my-ns. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.svc.example.org.", dns.TypeA, lines("my-service.my-ns.svc.example.org. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.in.example.org.", dns.TypeA, lines("my-service.my-ns.in.example.org. 5 IN A 10.0.0.11")},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, lines("11.0.0.10.in-addr.arpa. 5 IN PTR my-service.my-ns.svc.example.org.")},
	})
}

func TestShortNamesOff(t *testing.T) {
	h := newTestServerOf(&options{zones: theZones, ttl: 5})
	h.update(registrytest.Snapshot(t, manifests), nil)
	run(t, h, []question{
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, lines("my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.cluster.local.", dns.TypeA, nxDomain},
		{"my-ns.cluster.local.", dns.TypeA, nxDomain},
		{"svc.cluster.local.", dns.TypeA, noData},
	})
}

// Until the registry is known nobody can say that a name doesn't exist.
func TestUnsynced(t *testing.T) {
	h := newTestServer(theZones...)
	h.fall = fall.Root
	run(t, h, []question{
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL"},
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL"},
		{"cluster.local.", dns.TypeSOA, "SERVFAIL"},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, "SERVFAIL"},
		{"www.example.org.", dns.TypeA, "REFUSED"}, // by the next plugin
	})
	if h.Ready() {
		t.Error("ready without a snapshot")
	}
	h.update(registrytest.Snapshot(t, ""), nil)
	if got := ask(t, h, "cluster.local.", dns.TypeSOA); got.Rcode != dns.RcodeSuccess || !h.Ready() {
		t.Errorf("an empty registry is answered with %v, ready: %v", text(got), h.Ready())
	}
}

func TestFallthrough(t *testing.T) {
	h := loaded(t, theZones...)
	h.fall = fall.F{Zones: []string{"in-addr.arpa.", "other.cluster.local."}}
	run(t, h, []question{
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"x.other.cluster.local.", dns.TypeA, "REFUSED"},
		{"9.9.9.9.in-addr.arpa.", dns.TypePTR, "REFUSED"},
		{"9.9.in-addr.arpa.", dns.TypeNS, "REFUSED"}, // somebody else's, for all we know
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, lines("11.0.0.10.in-addr.arpa. 5 IN PTR my-service.my-ns.svc.cluster.local.")},
		{"11.0.0.10.in-addr.arpa.", dns.TypeA, "NOERROR aa\nns: " + soaOf("in-addr.arpa.")},
	})
}

func soaOf(zone string) string { return strings.ReplaceAll(clusterSOA, "cluster.local.", zone) }

func TestOtherClass(t *testing.T) {
	h := loaded(t, theZones...)
	r := new(dns.Msg).SetQuestion("my-service.my-ns.svc.cluster.local.", dns.TypeA)
	r.Question[0].Qclass = dns.ClassCHAOS
	if rcode, _ := h.ServeDNS(t.Context(), &test.ResponseWriter{}, r); rcode != dns.RcodeRefused {
		t.Errorf("a question of class CH is answered with %s", dns.RcodeToString[rcode])
	}
	if rcode, _ := h.ServeDNS(t.Context(), &test.ResponseWriter{}, new(dns.Msg)); rcode != dns.RcodeFormatError {
		t.Errorf("no question is answered with %s", dns.RcodeToString[rcode])
	}
}

// A TTL of the stanza is that of all records but the version's.
func TestTTL(t *testing.T) {
	h := newTestServerOf(&options{zones: theZones, ttl: 3600, shortNames: true})
	h.update(registrytest.Snapshot(t, manifests), nil)
	for _, name := range []string{"my-service.my-ns.svc.cluster.local.", "WEB.my-ns.cluster.local."} {
		for _, r := range ask(t, h, name, dns.TypeA).Answer {
			if r.Header().Ttl != 3600 {
				t.Errorf("%s: want a TTL of 3600", r)
			}
		}
	}
	soa := ask(t, h, "cluster.local.", dns.TypeSOA).Answer[0].(*dns.SOA)
	if soa.Hdr.Ttl != maxSOATTL || soa.Minttl != 3600 {
		t.Errorf("%s: want a TTL of %d and a minimum of 3600", soa, maxSOATTL)
	}
}

// The records of a zone are shared by all answers: nothing that a plugin or
// the server appends to one may show up in another.
func TestSharedSectionsAreClipped(t *testing.T) {
	h := loaded(t, theZones...)
	for _, q := range []question{
		{"cluster.local.", dns.TypeNS, ""},
		{"cluster.local.", dns.TypeSOA, ""},
		{"nothing.cluster.local.", dns.TypeA, ""},
	} {
		before := text(ask(t, h, q.name, q.qtype))
		m := ask(t, h, q.name, q.qtype)
		for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
			_ = append(section, test.A("x. 1 IN A 192.0.2.1"))
		}
		if after := text(ask(t, h, q.name, q.qtype)); after != before {
			t.Errorf("%s: got %s, then %s", q.name, before, after)
		}
		if cap(m.Ns) != len(m.Ns) {
			t.Errorf("%s: the authority section has room for %d more records", q.name, cap(m.Ns)-len(m.Ns))
		}
	}
}
