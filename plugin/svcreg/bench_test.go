package svcreg

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/plugin/whoami"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// fleet returns a registry of n services, a hundred a namespace, each with
// five endpoints, every tenth headless.
func fleet(n int) *registry.Snapshot {
	var objects []registry.Object
	for i := range n {
		k := fleetKey(i)
		s := portalService(k, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		if s.Headless = i%10 == 0; s.Headless {
			s.PortalIPs = nil
		}
		endpoints := headlessEndpoints(k, 5)
		for j := range endpoints.Subsets[0].Endpoints { // each at an address of its own
			endpoints.Subsets[0].Endpoints[j].Addr = netip.AddrFrom4([4]byte{172, byte(i >> 13), byte(i >> 5), byte(i<<3 + j)})
		}
		objects = append(objects, s, endpoints)
	}
	return registry.Build(1, objects...)
}

func fleetKey(i int) registry.Key {
	return registry.Key{Namespace: fmt.Sprintf("ns-%d", i/100), Name: fmt.Sprintf("service-%d", i)}
}

// withPod returns a registry with one pod more.
func withPod(s *registry.Snapshot, namespace, addr string) *registry.Snapshot {
	pod := &registry.Pod{
		Meta: registry.Meta{Kind: registry.KindPod, Key: registry.Key{Namespace: namespace, Name: "pod"}},
		IPs:  []netip.Addr{netip.MustParseAddr(addr)},
	}
	s, _ = s.Apply(2, registry.Put(pod))
	return s
}

// BenchmarkServeDNS is one query of each sort among 10,000 services, without
// the network and the packing, with whoami beside it.
func BenchmarkServeDNS(b *testing.B) {
	h := newTestServer(theZones...)
	h.update(fleet(10_000), nil)
	known := newTestServerOf(&options{zones: theZones, clients: clientsOf(b, "192.0.2.0/24 ns-43")})
	known.update(fleet(10_000), nil)
	pods := newTestServerOf(&options{zones: theZones, pods: podsVerified})
	pods.update(withPod(fleet(10_000), "ns-43", "192.0.2.7"), nil)
	for _, q := range []struct {
		name, qname string
		qtype       uint16
		h           plugin.Handler
	}{
		{"A", "service-4321.ns-43.svc.cluster.local.", dns.TypeA, h},
		{"A short", "service-4321.ns-43.cluster.local.", dns.TypeA, h},
		{"A mixed case", "Service-4321.ns-43.svc.cluster.local.", dns.TypeA, h},
		{"A headless x5", "service-4320.ns-43.svc.cluster.local.", dns.TypeA, h},
		{"A headless x5 short", "service-4320.ns-43.cluster.local.", dns.TypeA, h},
		{"SRV", "_http._tcp.service-4321.ns-43.svc.cluster.local.", dns.TypeSRV, h},
		{"SRV headless x5", "_http._tcp.service-4320.ns-43.svc.cluster.local.", dns.TypeSRV, h},
		{"NXDOMAIN", "nothing.ns-43.svc.cluster.local.", dns.TypeA, h},
		{"NODATA", "service-4321.ns-43.svc.cluster.local.", dns.TypeAAAA, h},
		{"PTR", "225.16.0.10.in-addr.arpa.", dns.TypePTR, h},
		{"PTR endpoint", "1.135.0.172.in-addr.arpa.", dns.TypePTR, h},
		{"A of a known client", "service-4321.ns-43.svc.cluster.local.", dns.TypeA, known},
		{"A bare", "service-4321.cluster.local.", dns.TypeA, known},
		{"A bare to a pod", "service-4321.cluster.local.", dns.TypeA, pods},
		{"A of a pod", "192-0-2-7.ns-43.pod.cluster.local.", dns.TypeA, pods},
		{"SRV bare", "_http._tcp.service-4321.cluster.local.", dns.TypeSRV, known},
		{"NXDOMAIN bare", "nothing.cluster.local.", dns.TypeA, known},
		{"whoami", "example.org.", dns.TypeA, whoami.Whoami{}},
	} {
		b.Run(q.name, func(b *testing.B) {
			r := new(dns.Msg).SetQuestion(q.qname, q.qtype)
			var w dns.ResponseWriter = remote{&test.ResponseWriter{}, udp("192.0.2.7")}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := q.h.ServeDNS(b.Context(), w, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkChange is one service's change in registries of several sizes: what
// the index adds to the snapshot's own work.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		s := fleet(n)
		for _, sort := range []struct {
			name string
			at   int
		}{{"portal", n/2 + 1}, {"headless x5", n / 2}} {
			b.Run(fmt.Sprintf("%d services/%s", n, sort.name), func(b *testing.B) {
				h := newTestServer(theZones...)
				h.update(s, nil)
				changes := &registry.Changes{Services: []registry.Key{fleetKey(sort.at)}}
				b.ReportAllocs()
				for b.Loop() {
					h.update(s, changes)
				}
			})
		}
	}
}

// BenchmarkStart is the whole index of a registry.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("%d services", n), func(b *testing.B) {
			s := fleet(n)
			h := newTestServer(theZones...)
			b.ReportAllocs()
			for b.Loop() {
				h.index.Store(nil)
				h.update(s, nil)
			}
		})
	}
}
