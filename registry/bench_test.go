package registry

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
)

// fleet returns n services with a slice of five endpoints each, a hundred in a
// namespace.
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

func fleetMeta(kind Kind, k Key, revision int) Meta {
	return Meta{
		Kind: kind, Key: k, UID: fmt.Sprintf("0c5a6d9f-6b2e-4f8b-9f5e-%012x", revision), APIVersion: "v1",
		Labels: map[string]string{"app": k.Name}, CreateRevision: int64(revision + 1), ModRevision: int64(revision + 1),
	}
}

func fleetService(i int) *Service {
	return &Service{
		Meta: fleetMeta(KindService, fleetKey(i), i),
		Type: ClusterIP, PortalIPs: []netip.Addr{fleetAddr(10, i)},
		Ports:    []Port{{Name: "http", Protocol: TCP, Port: 80, TargetPort: "8080"}},
		Selector: map[string]string{"app": fleetKey(i).Name},
	}
}

// fleetEndpoints returns the endpoints of service i. Those of different turns
// differ in two addresses.
func fleetEndpoints(i, turn int) *Endpoints {
	k := fleetKey(i)
	var endpoints []Endpoint
	for j := range 5 {
		endpoints = append(endpoints, Endpoint{
			Addr: fleetAddr(172, 6*i+j), Ready: true, Serving: true, Node: fmt.Sprintf("node-%d", (i+j)%100), Zone: "zone-a",
			Target: Target{"Pod", Key{k.Namespace, fmt.Sprintf("%s-7d4b9c6f5-%05x", k.Name, 5*i+j)}},
		})
	}
	endpoints[turn%5].Addr = fleetAddr(172, 6*i+5)
	e := &Endpoints{
		Meta:    fleetMeta(KindEndpointSlice, Key{k.Namespace, fmt.Sprintf("%s-%05x", k.Name, i)}, i+turn),
		Service: k,
		Subsets: []Subset{{Endpoints: endpoints, Ports: []EndpointPort{{Name: "http", Protocol: TCP, Port: 8080}}}},
	}
	e.APIVersion, e.Labels["kubernetes.io/service-name"] = "discovery.k8s.io/v1", k.Name
	return e
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
			changes := make([]Change, 1000) // of 500 services, to and fro
			for i := range changes {
				changes[i] = Put(fleetEndpoints(i%500*7919%size.n, i/500+1))
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
		b.Run("PortalIPHolder/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := s.PortalIPHolder(addrs[i%1024]); !ok {
					b.Fatal("missing")
				}
				i++
			}
		})
	}
}

// BenchmarkBuild makes a snapshot of records, as a list from etcd does.
func BenchmarkBuild(b *testing.B) {
	for _, size := range sizes {
		records := packed(fleet(size.n)...)
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = (&Snapshot{}).Replace(1, slices.Values(records))
			}
		})
	}
}

// BenchmarkHeap tells what a snapshot takes on the heap, for a service with
// five endpoints. Its time means nothing.
func BenchmarkHeap(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			for b.Loop() {
				before := liveHeap()
				s := Build(1, fleet(size.n)...)
				b.ReportMetric(float64(liveHeap()-before)/float64(size.n), "B/service")
				runtime.KeepAlive(s)
			}
		})
	}
}

// liveHeap returns the bytes on the heap that are in use.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkReplace is a list of what is known already.
func BenchmarkReplace(b *testing.B) {
	for _, size := range sizes {
		s, again := Build(1, fleet(size.n)...), packed(fleet(size.n)...)
		b.Run(size.name, func(b *testing.B) {
			for b.Loop() {
				if _, c := s.Replace(1, slices.Values(again)); !c.Empty() {
					b.Fatal("a difference")
				}
			}
		})
	}
}

func BenchmarkPack(b *testing.B) {
	for _, o := range []Object{fleetService(1), fleetEndpoints(1, 1)} {
		r := Pack(o)
		b.Run("Pack/"+r.Kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Pack(o)
			}
		})
		b.Run("Check/"+r.Kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewRecord(r.Ref, r.Data()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
