package endpoints

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// idle returns a controller whose loop doesn't run.
func idle() *controller {
	return &controller{
		Config: &Config{Logger: slog.New(slog.DiscardHandler)}, metrics: newMetrics(), snapshot: &registry.Snapshot{}, index: newIndex(),
		tasks: map[registry.Key]*task{}, written: map[registry.Key]receipt{}, refused: map[registry.Key][]refusal{}, said: map[any]bool{},
	}
}

// A service that can't be written is tried again after pauses that grow, and
// differ; what was only too late isn't counted as failed.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pauses := map[time.Duration]bool{}
		for range 20 {
			n, full := idle(), 100*time.Millisecond
			n.touch(web.Key, time.Time{})
			for i := range 15 {
				n.done(web.Key, result{err: errors.New("broken")})
				pause := n.nextDue()
				if pauses[pause] = true; pause > full || pause <= full/2 {
					t.Errorf("failure %d: tried again after %v, want %v or up to half of it less", i, pause, full)
				}
				full = min(2*full, 30*time.Second)
			}
			if got := registrytest.Metric(t, n.metrics.failures); got != 15 {
				t.Errorf("%v failures counted", got)
			}
			n.done(web.Key, result{err: fmt.Errorf("put: %w", write.ErrChanged)})
			if got := registrytest.Metric(t, n.metrics.failures); got != 15 || len(n.tasks) != 1 {
				t.Errorf("with what was too late %v failures are counted, of %d tasks", got, len(n.tasks))
			}
			if n.done(web.Key, result{}); len(n.tasks) != 0 {
				t.Error("what is done is still to be done")
			}
		}
		if len(pauses) < 200 {
			t.Errorf("%d different pauses of 300", len(pauses))
		}
	})
}

// The metric of refused addresses is that of now, and of a node that leads.
func TestRefusedAreCounted(t *testing.T) {
	n := idle()
	one := refusal{web.Key, netip.MustParseAddr("127.0.0.1"), "a loopback address"}
	for _, step := range []struct {
		refused []refusal
		want    float64
	}{{[]refusal{one, one}, 2}, {[]refusal{one}, 1}, {nil, 0}, {[]refusal{one}, 1}} {
		n.report(web.Key, result{refused: step.refused})
		if got := registrytest.Metric(t, n.metrics.refused); got != step.want || (len(n.refused) == 0) != (step.want == 0) {
			t.Errorf("%v counted, want %v", got, step.want)
		}
	}
	n.metrics.services.Set(3)
	n.metrics.reset()
	if registrytest.Metric(t, n.metrics.refused) != 0 || registrytest.Metric(t, n.metrics.services) != 0 {
		t.Error("a node that doesn't lead has some")
	}
}

// A pod that goes leaves nothing in the index.
func TestIndexForgets(t *testing.T) {
	x := newIndex()
	for range 2 {
		p := podWith("my-ns", "a", map[string]string{"app": "web"})
		p.Node = "n1"
		x.addPod(p)
		if len(x.pods) != 2 || len(x.onNode) != 1 {
			t.Errorf("%v, %v", x.pods, x.onNode)
		}
		if x.removePod(p); len(x.pods) != 0 || len(x.onNode) != 0 {
			t.Errorf("left are %v, %v", x.pods, x.onNode)
		}
	}
}

// What is too much for one transaction, in operations or in bytes, is written in
// several; all that goes is gone, and what others put beside is theirs.
func TestCarriesOutMuch(t *testing.T) {
	for name, tt := range map[string]struct{ slices, endpoints int }{"many": {150, 1}, "large": {14, 1000}} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t).init()
			n := idle()
			n.Client, n.Layout, n.writer = f.client, f.layout, write.New(f.client, f.layout, write.Options{})
			var p plan
			for i := range tt.slices {
				g := groupOf(80, upTo(tt.endpoints)...)
				for j := range g.endpoints {
					g.endpoints[j].Node, g.endpoints[j].Zone = "a-node-with-a-name-of-some-length", "a-zone-with-one-too"
				}
				s := slice{group: g}
				p.puts = append(p.puts, s.object(web, registry.Key{Namespace: "my-ns", Name: sliceName("web", i)}))
			}
			count := func(want int64) {
				t.Helper()
				got, err := f.client.Get(t.Context(), f.layout.Dir(registry.KindEndpointSlice), clientv3.WithPrefix(), clientv3.WithCountOnly())
				if err != nil || got.Count != want {
					t.Errorf("%d slices stand, want %d (%v)", got.Count, want, err)
				}
			}
			if _, err := n.carryOut(t.Context(), &p); err != nil {
				t.Fatal(err)
			}
			count(int64(tt.slices))
			if puts := registrytest.Metric(t, n.metrics.writes.WithLabelValues("put")); puts != float64(tt.slices) {
				t.Errorf("%v puts counted", puts)
			}
			p.deletes = f.stored(registry.KindEndpointSlice)
			response, err := f.client.Get(t.Context(), f.layout.Dir(registry.KindEndpointSlice), clientv3.WithPrefix(), clientv3.WithKeysOnly())
			if err != nil {
				t.Fatal(err)
			}
			for i, kv := range response.Kvs {
				p.deletes[i].ModRevision = kv.ModRevision
			}
			p.puts = nil
			if _, err := n.carryOut(t.Context(), &p); err != nil {
				t.Fatal(err)
			}
			count(0)
		})
	}
}

// The annotations that others put on a slice stay when it is written anew.
func TestAnnotationsStay(t *testing.T) {
	old := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpointSlice, Annotations: map[string]string{"note": "stays", registry.TriggerAnnotation: "then"}}}
	s := slice{groupOf(80, 1), old}
	p := plan{puts: []*registry.Endpoints{s.object(web, registry.Key{})}}
	now := time.Unix(1e9, 0)
	p.stamp(now)
	if a := p.puts[0].Annotations; a["note"] != "stays" || a[registry.TriggerAnnotation] != "2001-09-09T01:46:40Z" {
		t.Errorf("%v", a)
	}
	p.stamp(time.Time{})
	if a := p.puts[0].Annotations; a["note"] != "stays" || len(a) != 1 || len(old.Annotations) != 2 {
		t.Errorf("%v; the one that stood has %v", a, old.Annotations)
	}
}
