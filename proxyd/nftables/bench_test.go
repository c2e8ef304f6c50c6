//go:build linux

package nftables

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/test/lab"
)

// many returns the rules of n services with some endpoints each; the changed one
// has another endpoint in place of its last.
func many(n, endpoints int) (all, changed *rules.Ruleset, what []rules.Frontend) {
	var objects []registry.Object
	object := func(i int, endpoint uint32) []registry.Object {
		key := registry.Key{Namespace: "ns", Name: fmt.Sprintf("s%d", i)}
		svc := &registry.Service{
			Meta:      registry.Meta{Kind: registry.KindService, Key: key, CreateRevision: int64(i + 1), ModRevision: int64(i + 1)},
			Ports:     []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: "8080"}},
			PortalIPs: []netip.Addr{addrAt(10<<24 | 16<<16 + uint32(i))},
		}
		subset := registry.Subset{Ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: 8080}}}
		for j := range endpoints {
			at := 10<<24 | 64<<16 + uint32(i*endpoints+j)
			if j == endpoints-1 {
				at += endpoint
			}
			subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: addrAt(at), Ready: true, Serving: true})
		}
		return []registry.Object{svc, &registry.Endpoints{
			Meta:    registry.Meta{Kind: registry.KindEndpoints, Key: key, ModRevision: int64(i + 1)},
			Service: key, Subsets: []registry.Subset{subset},
		}}
	}
	for i := range n {
		objects = append(objects, object(i, 0)...)
	}
	snapshot := registry.Build(1, objects...)
	all = rules.Compile(snapshot, rules.Policy{})
	var puts []registry.Change
	for _, o := range object(n/2, 1<<24) {
		puts = append(puts, registry.Put(o))
	}
	next, changes := snapshot.Apply(int64(n+1), puts...)
	changed, what = all.Update(next, changes)
	return all, changed, what
}

func addrAt(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func BenchmarkReal(b *testing.B) {
	for _, size := range [][2]int{{1000, 5}, {10_000, 5}, {30_000, 5}, {5000, 50}} {
		all, other, changed := many(size[0], size[1])
		node := lab.New(b, "nft").Host("node")
		sync := func(b *testing.B, p *Proxier, r *rules.Ruleset, changed []rules.Frontend) {
			b.Helper()
			if err := p.Sync(b.Context(), r, changed, nil); err != nil {
				b.Fatal(err)
			}
		}
		name := fmt.Sprintf("%dx%d", size[0], size[1])
		b.Run(name+"/load", func(b *testing.B) {
			for b.Loop() {
				node.Do(func() {
					p, err := New(Config{})
					if err != nil {
						b.Fatal(err)
					}
					sync(b, p, all, nil)
					b.StopTimer()
					if err := Cleanup(b.Context()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				})
			}
		})
		b.Run(name+"/change", func(b *testing.B) {
			node.Do(func() {
				p, err := New(Config{})
				if err != nil {
					b.Fatal(err)
				}
				sync(b, p, all, nil)
				for i := 0; b.Loop(); i++ {
					sync(b, p, [...]*rules.Ruleset{other, all}[i%2], changed)
				}
				b.StopTimer()
			})
		})
		b.Run(name+"/full", func(b *testing.B) {
			node.Do(func() {
				p, err := New(Config{})
				if err != nil {
					b.Fatal(err)
				}
				sync(b, p, all, nil)
				for i := 0; b.Loop(); i++ {
					sync(b, p, [...]*rules.Ruleset{other, all}[i%2], nil)
				}
			})
		})
		b.Run(name+"/adopt", func(b *testing.B) {
			node.Do(func() {
				for b.Loop() {
					p, err := New(Config{})
					if err != nil {
						b.Fatal(err)
					}
					sync(b, p, all, nil)
				}
			})
		})
	}
}
