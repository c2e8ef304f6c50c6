package fleet

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestService(t *testing.T) {
	f := Fleet{Services: 300, Endpoints: 2}
	for _, tt := range []struct {
		index int
		want  Service
	}{
		{0, Service{Index: 0, Name: "svc-00000", Namespace: "team-000", Portals: addresses("10.96.0.1"), Endpoints: addresses("10.128.0.1 10.128.0.2")}},
		{109, Service{Index: 109, Name: "svc-00109", Namespace: "team-001", Headless: true, Endpoints: addresses("10.128.0.219 10.128.0.220")}},
		{284, Service{Index: 284, Name: "svc-00284", Namespace: "team-002", Portals: addresses("10.96.1.29 fd00:10:96::11d"), Endpoints: addresses("10.128.2.57 10.128.2.58")}},
	} {
		if diff := cmp.Diff(tt.want, f.Service(tt.index), cmp.Comparer(same)); diff != "" {
			t.Errorf("service %d (-want +got):\n%s", tt.index, diff)
		}
	}
}

func addresses(text string) []netip.Addr {
	var list []netip.Addr
	for field := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParseAddr(field))
	}
	return list
}

func same(a, b netip.Addr) bool { return a == b }

// No two services share an address, and neither do a service and a change.
func TestAddressesAreUnique(t *testing.T) {
	f := Fleet{Services: 100_000, Endpoints: 5}
	seen := map[netip.Addr]bool{}
	take := func(list ...netip.Addr) {
		for _, a := range list {
			if !a.IsPrivate() || seen[a] {
				t.Fatalf("%v is taken twice, or not private", a)
			}
			seen[a] = true
		}
	}
	for s := range f.All() {
		take(s.Portals...)
		take(s.Endpoints...)
	}
	probe := f.Service(ProbePortal)
	for n := range 1000 {
		take(probe.Changed(n).Portals[0])
	}
}

func TestChanges(t *testing.T) {
	f := Fleet{Services: 20, Endpoints: 3}
	portal, headless := f.Service(ProbePortal), f.Service(ProbeHeadless)
	if !headless.Headless || portal.Headless {
		t.Fatal("the probes are of the wrong kind")
	}
	if got := portal.Changed(1).Portals; got[0] == portal.Portals[0] || f.Service(ProbePortal).Portals[0] != portal.Portals[0] {
		t.Errorf("changed portals: %v", got)
	}
	got := headless.Changed(1)
	if got.Endpoints[0] == headless.Endpoints[0] || !slices.Equal(got.Endpoints[1:], headless.Endpoints[1:]) {
		t.Errorf("changed endpoints: %v, were %v", got.Endpoints, headless.Endpoints)
	}
}

func TestQuestions(t *testing.T) {
	f := Fleet{Services: 10, Endpoints: 2}
	for _, tt := range []struct {
		kind  Kind
		count int
		first Question
	}{
		{A, 9, Question{"svc-00000.team-000.svc.cluster.local.", dns.TypeA, 0, []string{"10.96.0.1"}, 0}},
		{AAAA, 1, Question{"svc-00004.team-000.svc.cluster.local.", dns.TypeAAAA, 0, []string{"fd00:10:96::5"}, 0}},
		{SRV, 8, Question{"_http._tcp.svc-00000.team-000.svc.cluster.local.", dns.TypeSRV, 0, []string{"80 svc-00000.team-000.svc.cluster.local."}, 1}},
		{HeadlessA, 1, Question{"svc-00009.team-000.svc.cluster.local.", dns.TypeA, 0, []string{"10.128.0.19", "10.128.0.20"}, 0}},
		{HeadlessSRV, 1, Question{"_http._tcp.svc-00009.team-000.svc.cluster.local.", dns.TypeSRV, 0, []string{
			"80 10-128-0-19.svc-00009.team-000.svc.cluster.local.", "80 10-128-0-20.svc-00009.team-000.svc.cluster.local."}, 2}},
		{NXDOMAIN, 10, Question{"no-svc-00000.team-000.svc.cluster.local.", dns.TypeA, dns.RcodeNameError, nil, 0}},
		{NODATA, 8, Question{"svc-00000.team-000.svc.cluster.local.", dns.TypeAAAA, 0, nil, 0}},
		{PTR, 9, Question{"1.0.96.10.in-addr.arpa.", dns.TypePTR, 0, []string{"svc-00000.team-000.svc.cluster.local."}, 0}},
	} {
		questions := f.Questions(tt.kind)
		if len(questions) != tt.count {
			t.Errorf("%s: %d questions, want %d", tt.kind, len(questions), tt.count)
			continue
		}
		if diff := cmp.Diff(tt.first, questions[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.kind, diff)
		}
	}
}

func TestCheck(t *testing.T) {
	q := Fleet{Services: 10, Endpoints: 2}.Questions(HeadlessA)[0]
	right := func() *dns.Msg {
		m := new(dns.Msg)
		for _, a := range []string{"10.128.0.20", "10.128.0.19"} { // in any order
			r, err := dns.NewRR(q.Name + " 5 IN A " + a)
			if err != nil {
				t.Fatal(err)
			}
			m.Answer = append(m.Answer, r)
		}
		return m
	}
	if err := q.Check(right()); err != nil {
		t.Errorf("the right answer: %v", err)
	}
	for name, spoil := range map[string]func(*dns.Msg){
		"truncated":     func(m *dns.Msg) { m.Truncated = true },
		"rcode":         func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure },
		"one missing":   func(m *dns.Msg) { m.Answer = m.Answer[:1] },
		"one twice":     func(m *dns.Msg) { m.Answer[1] = m.Answer[0] },
		"unasked extra": func(m *dns.Msg) { m.Extra = m.Answer },
	} {
		m := right()
		spoil(m)
		if q.Check(m) == nil {
			t.Errorf("%s: taken for right", name)
		}
	}
}
