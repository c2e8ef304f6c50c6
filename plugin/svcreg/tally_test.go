package svcreg

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/coredns/coredns/plugin/test"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// Every request is counted once, by what became of it.
func TestRequestsAreCounted(t *testing.T) {
	h := newTestServer(theZones...)
	ask(t, h, "my-service.my-ns.svc.cluster.local.", dns.TypeA) // nothing is known yet
	h.update(loaded(t, theZones...).index.Load().snapshot, nil)
	h.fall = fall.F{Zones: []string{"in-addr.arpa."}}
	for _, q := range []struct {
		name  string
		qtype uint16
		times int
	}{
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, 2},
		{"external.my-ns.svc.cluster.local.", dns.TypeA, 1},
		{"cluster.local.", dns.TypeSOA, 1},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeAAAA, 5},
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, 6},
		{"self.my-ns.svc.cluster.local.", dns.TypeA, 1}, // an alias of itself
		{"9.9.9.9.in-addr.arpa.", dns.TypePTR, 7},
		{"www.example.org.", dns.TypeA, 3}, // not of these zones
	} {
		for range q.times {
			ask(t, h, q.name, q.qtype)
		}
	}
	chaos := new(dns.Msg).SetQuestion("my-service.my-ns.svc.cluster.local.", dns.TypeA)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	_, _ = h.ServeDNS(t.Context(), &test.ResponseWriter{}, chaos)
	got := map[string]uint64{}
	for i := range h.tally.requests {
		got[outcomes[i]] = h.tally.requests[i].Load()
	}
	// An alias of itself is asked for once more at each step.
	want := map[string]uint64{"records": 4, "nodata": 5, "nxdomain": 6, "servfail": 2 + maxAliases, "refused": 1, "fallthrough": 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// Counters go on over a reload, each stanza's its own.
func TestTalliesOutliveStanzas(t *testing.T) {
	r := &runningFollowers{tallies: map[where]*tally{}}
	a, b := where{zone: "a."}, where{zone: "b."}
	first, again, other := r.tally(a), r.tally(a), r.tally(b)
	if first != again || first == other {
		t.Error("want one tally for each stanza")
	}
}

func TestServed(t *testing.T) {
	key := registry.Key{Namespace: "ns", Name: "s"}
	service := func(change func(*registry.Service)) *registry.Service {
		s := portalService(key, netip.MustParseAddr("10.0.0.1"))
		change(s)
		return s
	}
	headless := func(s *registry.Service) { s.Headless, s.PortalIPs = true, nil }
	slice := headlessEndpoints(key, 1)
	slice.Kind, slice.Name = registry.KindEndpointSlice, "s-x1"
	for _, tt := range []struct {
		name    string
		service *registry.Service
		change  registry.Object
		want    string
	}{
		{"portal", service(func(*registry.Service) {}), headlessEndpoints(key, 1), "cluster_ip"},
		{"headless, selected", service(func(s *registry.Service) { headless(s); s.Selector = map[string]string{"a": "b"} }), slice, "headless_with_selector"},
		{"headless, of every pod", service(func(s *registry.Service) { headless(s); s.Selector = map[string]string{} }), slice, "headless_with_selector"},
		{"headless, by hand", service(headless), slice, "headless_without_selector"},
		{"alias", service(func(s *registry.Service) { s.Type, s.PortalIPs = registry.ExternalName, nil }), headlessEndpoints(key, 1), "external_name"},
		{"a name with a portal IP", service(func(s *registry.Service) { s.Type = registry.ExternalName }), headlessEndpoints(key, 1), "cluster_ip"},
		{"no service", nil, slice, ""},
		{"a pod", service(headless), &registry.Pod{Meta: registry.Meta{Kind: registry.KindPod, Key: key}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after registry.Snapshot
			if tt.service != nil {
				before = *registry.Build(1, tt.service)
			}
			next, _ := before.Apply(2, registry.Put(tt.change))
			if got := serviceKind(served(registry.Put(tt.change), &before, next)); got != tt.want {
				t.Errorf("put: %q, want %q", got, tt.want)
			}
			if got := serviceKind(served(registry.Delete(tt.change.Ref()), next, &before)); got != tt.want {
				t.Errorf("deleted: %q, want %q", got, tt.want)
			}
			if tt.service != nil { // with its service
				if got := serviceKind(served(registry.Delete(tt.service.Ref()), next, &after)); (got == "") != (tt.service == nil) {
					t.Errorf("service deleted: %q", got)
				}
			}
		})
	}
}

// What is counted costs a query next to nothing.
func BenchmarkCount(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprint(n, " at a time"), func(b *testing.B) {
			h := newTestServer(theZones...)
			b.SetParallelism(n)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					h.tally.count(withRecords)
				}
			})
		})
	}
}
