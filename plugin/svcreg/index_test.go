package svcreg

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// dump returns all answers' records of an index by owner, and those of the
// names of endpoints' addresses.
func dump(x *index) map[string][]string {
	all := map[string][]string{}
	for _, zone := range x.zones.longest {
		if zone.sort == reverseZone {
			continue
		}
		for name, n := range x.all(&zone) {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV} {
				answer, extra := n.records(name, qtype, x.ttl)
				all[name] = append(all[name], texts(append(answer, extra...))...)
			}
		}
	}
	for addr := range x.endpoints.All() {
		all[addr.String()] = x.endpointNames(addr)
	}
	dumpPublic(x, all)
	return all
}

func texts(records []dns.RR) []string {
	var l []string
	for _, r := range records {
		l = append(l, r.String())
	}
	return l
}

// Whatever happens, an index that grew change by change is the one that a new
// start would build.
func TestIndexFollowsChanges(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		h := newTestServerOf(&options{zones: theZones, public: []string{"example.org."}, ttl: defaultTTL, shortNames: true})
		s := &registry.Snapshot{}
		for revision := range int64(60) {
			var changes *registry.Changes
			s, changes = s.Apply(revision+1, randomChange(rng, revision+1))
			h.update(s, changes)
		}
		want := dump(h.stanza.next(nil, s, nil))
		if diff := cmp.Diff(want, dump(h.index.Load())); diff != "" {
			t.Fatalf("seed %d: index (-new +grown):\n%s", seed, diff)
		}
	}
}

// randomChange puts or deletes one of a few services or endpoints.
func randomChange(rng *rand.Rand, revision int64) registry.Change {
	key := registry.Key{Namespace: fmt.Sprintf("ns%d", rng.IntN(2)), Name: fmt.Sprintf("s%d", rng.IntN(3))}
	if rng.IntN(2) == 0 {
		if rng.IntN(4) == 0 {
			return registry.Delete(registry.Ref{Kind: registry.KindEndpoints, Key: key})
		}
		e := headlessEndpoints(key, 1+rng.IntN(4))
		e.ModRevision = revision
		return registry.Put(e)
	}
	if rng.IntN(4) == 0 {
		return registry.Delete(registry.Ref{Kind: registry.KindService, Key: key})
	}
	s := portalService(key, netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(8))}))
	if rng.IntN(2) == 0 {
		s.Headless, s.PortalIPs = true, nil
	}
	for range rng.IntN(3) {
		s.PublicIPs = append(s.PublicIPs, netip.AddrFrom4([4]byte{203, 0, 113, byte(rng.IntN(4))}))
	}
	s.ModRevision = revision
	return registry.Put(s)
}

func portalService(k registry.Key, addr netip.Addr) *registry.Service {
	return &registry.Service{
		Meta:      registry.Meta{Kind: registry.KindService, Key: k, APIVersion: "v1"},
		Type:      registry.ClusterIP,
		PortalIPs: []netip.Addr{addr},
		Ports:     []registry.Port{{Name: "http", Protocol: registry.TCP, Port: 80}},
	}
}

// headlessEndpoints returns n ready endpoints, in 100.64.0.0/10.
func headlessEndpoints(k registry.Key, n int) *registry.Endpoints {
	subset := registry.Subset{Ports: []registry.EndpointPort{{Name: "http", Protocol: registry.TCP, Port: 8080}}}
	for i := range n {
		addr := netip.AddrFrom4([4]byte{100, 64 + byte(i>>16), byte(i >> 8), byte(i)})
		subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: addr, Ready: true, Serving: true})
	}
	return &registry.Endpoints{
		Meta:    registry.Meta{Kind: registry.KindEndpoints, Key: k, APIVersion: "v1"},
		Service: k, Subsets: []registry.Subset{subset},
	}
}

// An index shares the records of services that did not change.
func TestIndexShares(t *testing.T) {
	h := loaded(t, theZones...)
	before := h.index.Load()
	s, changes := before.snapshot.Apply(99, registry.Delete(registry.Ref{
		Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: "web"},
	}))
	h.update(s, changes)
	key := registry.Key{Namespace: "my-ns", Name: "my-service"}
	a, _ := before.services.Get(key)
	b, _ := h.index.Load().services.Get(key)
	if a != b {
		t.Error("a service that did not change was indexed again")
	}
	if got := ask(t, h, "web.my-ns.svc.cluster.local.", dns.TypeA); got.Rcode != dns.RcodeNameError {
		t.Errorf("the deleted service is answered with %s", text(got))
	}
	if soa := ask(t, h, "cluster.local.", dns.TypeSOA).Answer[0].(*dns.SOA); soa.Serial != 99 {
		t.Errorf("the serial is %d, want the revision 99", soa.Serial)
	}
}

// Names that DNS can't have are left out, and nothing else with them.
func TestImpossibleNames(t *testing.T) {
	long := strings.Repeat("x", 63)
	good := registry.Key{Namespace: "ns", Name: "good"}
	keys := []registry.Key{
		good,
		{Namespace: "ns", Name: "a.b"},
		{Namespace: "ns", Name: "Upper"},
		{Namespace: "ns", Name: "white space"},
		{Namespace: "ns", Name: "bäh"},
		{Namespace: "ns", Name: `back\slash`},
		{Namespace: "ns", Name: long + "x"},
		{Namespace: "a.b", Name: "s"},
		{Namespace: "", Name: "s"},
	}
	var objects []registry.Object
	for i, k := range keys {
		s := portalService(k, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		s.Ports = append(s.Ports,
			registry.Port{Name: long, Protocol: registry.TCP, Port: 1},
			registry.Port{Name: "a.b", Protocol: registry.TCP, Port: 2},
			registry.Port{Name: "DNS", Protocol: registry.UDP, Port: 53})
		objects = append(objects, s)
	}
	h := newTestServer("cluster.local.")
	h.update(registry.Build(1, objects...), nil)
	want := []string{
		"_dns._udp.good.ns.cluster.local.",
		"_dns._udp.good.ns.svc.cluster.local.",
		"_http._tcp.good.ns.cluster.local.",
		"_http._tcp.good.ns.svc.cluster.local.",
		"good.ns.cluster.local.",
		"good.ns.svc.cluster.local.",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(dump(h.index.Load())))); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// A name of more than 255 octets isn't there; in a shorter zone it is.
func TestTooLongNames(t *testing.T) {
	label := strings.Repeat("x", 63)
	zone := label + "." + label + ".example."
	k := registry.Key{Namespace: label, Name: label}
	h := newTestServer(zone, "cluster.local.")
	h.update(registry.Build(1, portalService(k, netip.MustParseAddr("10.0.0.1"))), nil)
	for owner := range dump(h.index.Load()) {
		if _, ok := dns.IsDomainName(owner); !ok {
			t.Errorf("%s is indexed, and too long", owner)
		}
	}
	name := label + "." + label + ".svc.cluster.local."
	run(t, h, []question{{name, dns.TypeA, lines(name + " 5 IN A 10.0.0.1")}})
}

func TestHostLabel(t *testing.T) {
	for _, tt := range []struct{ hostname, addr, want string }{
		{"web-0", "192.0.2.1", "web-0"},
		{"Web-0", "192.0.2.1", "web-0"},
		{"", "192.0.2.1", "192-0-2-1"},
		{"not.a.label", "192.0.2.1", "192-0-2-1"},
		{"", "2001:db8::1", "2001-db8--1"},
		{"", "2001:db8::", "2001-db8--0"},
		{"", "::1", "0--1"},
		{"", "::ffff:192.0.2.1", "192-0-2-1"},
		{"", "fe80::1%eth0", "fe80--1"},
	} {
		e := registry.Endpoint{Hostname: tt.hostname, Addr: netip.MustParseAddr(tt.addr)}
		if got := (&endpointRules{}).label(&e); got != tt.want {
			t.Errorf("the label of %q at %s is %q, want %q", tt.hostname, tt.addr, got, tt.want)
		}
	}
}

// FuzzQuery: whatever is asked, the answer is valid and about the question.
func FuzzQuery(f *testing.F) {
	for _, name := range []string{
		"my-service.my-ns.svc.cluster.local.", "_http._tcp.web.my-ns.cluster.local.", ".", "cluster.local.",
		"11.0.0.10.in-addr.arpa.", "d.f.ip6.arpa.", `a\.b.svc.cluster.local.`, "..", "_.my-service.my-ns.svc.cluster.local.",
		".my-ns.svc.cluster.local.", "_tcp.web.my-ns.svc.cluster.local.", "arpa.",
		"a.b.pin._zone.web.my-ns.svc.cluster.local.", `a\.prefer._zone.web.my-ns.cluster.local.`, "_zone.web.my-ns.",
	} {
		f.Add(name, dns.TypeA)
	}
	h := newTestServer(append(theZones, ".")...)
	h.rules.zonal = true
	h.update(registrytest.Snapshot(f, manifests), nil)
	f.Fuzz(func(t *testing.T, name string, qtype uint16) {
		if qtype == dns.TypeOPT {
			t.Skip() // no type that can be asked for
		}
		m := ask(t, h, name, qtype)
		switch m.Rcode {
		case dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused:
		default:
			t.Errorf("%q %d: rcode %d", name, qtype, m.Rcode)
		}
		if _, ok := dns.IsDomainName(name); !ok {
			return
		}
		if _, err := m.Pack(); err != nil && strings.HasSuffix(name, ".") && len(name) < maxName {
			if _, err2 := new(dns.Msg).SetQuestion(name, qtype).Pack(); err2 == nil {
				t.Errorf("%q %d: %v", name, qtype, err)
			}
		}
	})
}
