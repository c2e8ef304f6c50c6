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

// What exists and what does not, beside what the specification says.
func TestExistence(t *testing.T) {
	run(t, loaded(t, theZones...), []question{
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"nothing.my-ns.cluster.local.", dns.TypeA, nxDomain},
		{"a.b.c.d.e.cluster.local.", dns.TypeA, nxDomain},
		{"my-service.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"nothing.my-ns.svc.cluster.local.", dns.TypeSOA, nxDomain},

		{"unallocated.default.svc.cluster.local.", dns.TypeA, noData},
		{"my-ns.cluster.local.", dns.TypeTXT, noData},
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

// Where a headless service has no ports of its own, its endpoints say which
// there are.
func TestHeadlessPorts(t *testing.T) {
	run(t, loaded(t, theZones...), []question{
		{"peers.my-ns.svc.cluster.local.", dns.TypeA, lines("peers.my-ns.svc.cluster.local. 5 IN A 192.0.2.21")},
		{"_peer._tcp.peers.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
			"_peer._tcp.peers.my-ns.svc.cluster.local. 5 IN SRV 0 100 2380 192-0-2-21.peers.my-ns.svc.cluster.local.",
			"extra: 192-0-2-21.peers.my-ns.svc.cluster.local. 5 IN A 192.0.2.21")},
	})
}

func TestZoneNames(t *testing.T) {
	run(t, loaded(t, theZones...), []question{
		{"cluster.local.", dns.TypeSOA, lines("SOA")},
		{"cluster.local.", dns.TypeNS, lines("cluster.local. 5 IN NS ns.dns.cluster.local.", "extra: ns.dns.cluster.local. 5 IN A 198.51.100.53")},
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
