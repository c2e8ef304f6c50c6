package external

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// What a check costs, both sides of it.
func BenchmarkProbe(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	how := &check{method: "tcp", timeout: time.Second}
	at := target{netip.MustParseAddrPort(l.Addr().String()), registry.TCP, ""}
	for b.Loop() {
		if err := how.probe(b.Context(), at); err != nil {
			b.Fatal(err)
		}
	}
}

// What a service costs each time that an endpoint's health changes.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{5, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			web := &registry.Service{}
			src := &source{service: web}
			for i := range n { // as of 2015: a subset each
				src.subsets = append(src.subsets, registry.Subset{
					Endpoints: []registry.Endpoint{{Addr: netip.AddrFrom4([4]byte{192, 0, byte(2 + i>>8), byte(i)}), Ready: true}},
					Ports:     []registry.EndpointPort{{Protocol: registry.TCP, Port: 80}},
				})
			}
			snapshot := registry.Build(1, web)
			have := map[string]*registry.Endpoints{}
			for b.Loop() {
				x := expand(src, nil, func(a netip.Addr) string { return Refused(snapshot, a) })
				want := slicesOf(registry.Key{Namespace: "my-ns", Name: "web"}, x.groups, nil, nil)
				differences(have, want)
				for _, s := range want {
					have[s.Name] = s
				}
			}
		})
	}
}
