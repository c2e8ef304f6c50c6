package endpoints

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

// BenchmarkSync is the work on a service of 5,000 pods after one of them
// changed, without the writing.
func BenchmarkSync(b *testing.B) {
	for _, size := range []int{50, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			objects := []registry.Object{web, portalNetwork()}
			var pods []*registry.Pod
			for _, e := range groupOf(80, upTo(size)...).endpoints {
				p := podWith("my-ns", e.Target.Name, labels{"app": "web"})
				p.IPs = append(p.IPs, e.Addr)
				p.Ready = true
				objects, pods = append(objects, p), append(pods, p)
			}
			groups, _ := choose(web, pods, view{&registry.Snapshot{}})
			w := &world{}
			config := &Config{SliceSize: DefaultSliceSize, Logger: slog.New(slog.DiscardHandler)}
			for _, e := range planFor(web, groups, w.standing(), config).puts {
				objects = append(objects, e)
			}
			n := &controller{Config: config, snapshot: registry.Build(1, objects...), index: newIndex()}
			for p := range n.snapshot.Pods() {
				n.index.addPod(p)
			}
			for b.Loop() {
				service := n.snapshot.Spec(web.Key)
				groups, _ := choose(service, n.podsOf(service), view{n.snapshot})
				if p := planFor(service, groups, n.standing(web.Key), config); !p.empty() {
					b.Fatalf("%d puts, %d deletes", len(p.puts), len(p.deletes))
				}
			}
		})
	}
}

// portalNetwork returns the object that says where portal IPs come from.
func portalNetwork() *registry.ServiceCIDR {
	return &registry.ServiceCIDR{
		Meta:     registry.Meta{Kind: registry.KindServiceCIDR, Key: registry.Key{Name: "portal"}},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
	}
}
