package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// fleet returns n services with five endpoints each, a hundred in a namespace.
func fleet(n int) []Object {
	objects := make([]Object, 0, 2*n)
	for i := range n {
		objects = append(objects, fleetService(i), fleetEndpoints(i, 0))
	}
	return objects
}

func fleetKey(i int) Key {
	return Key{fmt.Sprintf("ns-%d", i/100), fmt.Sprintf("service-%d", i)}
}

func fleetAddr(net byte, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{net, byte(i >> 16), byte(i >> 8), byte(i)})
}

func fleetService(i int) *Service {
	return &Service{
		Meta: Meta{Kind: KindService, Key: fleetKey(i), CreateRevision: int64(i + 1), ModRevision: int64(i + 1)},
		Type: ClusterIP, PortalIPs: []netip.Addr{fleetAddr(10, i)},
		Ports: []Port{{Name: "http", Protocol: TCP, Port: 80}},
	}
}

// fleetEndpoints returns the endpoints of service i. Those of different turns
// differ in two addresses.
func fleetEndpoints(i, turn int) *Endpoints {
	var endpoints []Endpoint
	for j := range 5 {
		endpoints = append(endpoints, Endpoint{Addr: fleetAddr(172, 6*i+j), Ready: true, Serving: true})
	}
	endpoints[turn%5].Addr = fleetAddr(172, 6*i+5)
	return &Endpoints{
		Meta:    Meta{Kind: KindEndpoints, Key: fleetKey(i), ModRevision: int64(turn + 1)},
		Service: fleetKey(i),
		Subsets: []Subset{{Endpoints: endpoints, Ports: []EndpointPort{{Name: "http", Protocol: TCP, Port: 8080}}}},
	}
}

var sizes = []struct {
	name string
	n    int
}{{"1k", 1_000}, {"10k", 10_000}, {"100k", 100_000}}

// BenchmarkApply is a change of one service's endpoints.
func BenchmarkApply(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			s := Build(1, fleet(size.n)...)
			changes := make([]Change, 1024)
			for i := range changes {
				changes[i] = Put(fleetEndpoints(i*7919%size.n, i+1))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s, _ = s.Apply(int64(i), changes[i%len(changes)])
				i++
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, size := range sizes {
		s := Build(1, fleet(size.n)...)
		keys, addrs := make([]Key, 1024), make([]netip.Addr, 1024)
		for i := range keys {
			keys[i], addrs[i] = fleetKey(i*7919%size.n), fleetAddr(10, i*7919%size.n)
		}
		b.Run("Service/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if s.Service(keys[i%1024]) == nil {
					b.Fatal("missing")
				}
				i++
			}
		})
		b.Run("ByPortalIP/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if s.ByPortalIP(addrs[i%1024]) == nil {
					b.Fatal("missing")
				}
				i++
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, size := range sizes {
		objects := fleet(size.n)
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Build(1, objects...)
			}
		})
	}
}

// BenchmarkReplace is a list of what is known already.
func BenchmarkReplace(b *testing.B) {
	for _, size := range sizes {
		s, again := Build(1, fleet(size.n)...), fleet(size.n)
		b.Run(size.name, func(b *testing.B) {
			for b.Loop() {
				if _, c := s.Replace(1, slices.Values(again)); !c.Empty() {
					b.Fatal("a difference")
				}
			}
		})
	}
}
