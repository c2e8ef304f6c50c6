package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// randomChange makes one of few services appear, change or go. Addresses are
// few as well, so that services often want the same.
func randomChange(rnd *rand.Rand, revision int64) []registry.Change {
	k := registry.Key{Namespace: "ns", Name: fmt.Sprintf("s%d", rnd.IntN(12))}
	serviceRef := registry.Ref{Kind: registry.KindService, Key: k}
	if rnd.IntN(5) == 0 {
		return []registry.Change{registry.Delete(serviceRef)}
	}
	addr := func(network byte) netip.Addr { return netip.AddrFrom4([4]byte{10, network, 0, byte(rnd.IntN(6))}) }
	s := &registry.Service{
		Meta:      registry.Meta{Kind: registry.KindService, Key: k, CreateRevision: revision - int64(rnd.IntN(20)), ModRevision: revision},
		PortalIPs: []netip.Addr{addr(0)}, Headless: rnd.IntN(8) == 0,
		TrafficDistribution: []string{"", "PreferClose", "PreferSameNode"}[rnd.IntN(3)], Selector: map[string]string{"app": "a"},
	}
	for range rnd.IntN(3) {
		s.PublicIPs = append(s.PublicIPs, addr(byte(rnd.IntN(3))))
	}
	for i := range 1 + rnd.IntN(2) {
		s.Ports = append(s.Ports, registry.Port{Name: fmt.Sprint(i), Protocol: registry.TCP, Port: uint16(80 + i), NodePort: uint16(30000 + rnd.IntN(6))})
	}
	if rnd.IntN(2) == 0 {
		s.Type, s.ExternalLocal, s.HealthCheckNodePort = registry.LoadBalancer, true, uint16(30004+rnd.IntN(4))
	}
	if rnd.IntN(2) == 0 {
		s.Annotations = map[string]string{WeightsAnnotation: fmt.Sprintf("10.9.0.%d=%d web-0=3 db-1=4", rnd.IntN(6), rnd.IntN(1200))}
	}
	var subset registry.Subset
	for i := range s.Ports {
		subset.Ports = append(subset.Ports, registry.EndpointPort{Name: fmt.Sprint(i), Protocol: registry.TCP, Port: 8080})
	}
	for range rnd.IntN(4) {
		subset.Endpoints = append(subset.Endpoints, registry.Endpoint{
			Addr: addr(9), Ready: true, Node: fmt.Sprint(rnd.IntN(3)), Zone: fmt.Sprintf("z%d", rnd.IntN(3)),
			Hostname: fmt.Sprintf("db-%d", rnd.IntN(4)), Target: registry.Target{Kind: "Pod", Key: registry.Key{Namespace: "ns", Name: fmt.Sprintf("web-%d", rnd.IntN(4))}},
		})
	}
	e := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: k, ModRevision: revision}, Service: k, Subsets: []registry.Subset{subset}}
	return []registry.Change{registry.Put(s), registry.Put(e)}
}

// TestUpdateIsCompile makes random changes: the updated rules are those that
// compiling anew gives, and the frontends said to have changed are those that
// did.
func TestUpdateIsCompile(t *testing.T) {
	policy := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/15")}, NodeAddrs: []netip.Addr{netip.MustParseAddr("10.0.0.5")}, NodeName: "1", NodePorts: true}
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s := registry.Build(0)
		r := Compile(s, policy)
		for revision := range int64(120) {
			var changes []registry.Change
			for range 1 + rnd.IntN(3) {
				changes = append(changes, randomChange(rnd, revision+100)...)
			}
			next, c := s.Apply(revision, changes...)
			updated, changed := r.Update(next, c)
			anew := Compile(next, policy)
			if diff := cmp.Diff(texts(anew), texts(updated)); diff != "" {
				t.Fatalf("seed %d, revision %d: rules (-compiled +updated):\n%s", seed, revision, diff)
			}
			if diff := cmp.Diff(refusals(anew), refusals(updated)); diff != "" {
				t.Fatalf("seed %d, revision %d: refusals (-compiled +updated):\n%s", seed, revision, diff)
			}
			if diff := cmp.Diff(anew.HealthChecks(), updated.HealthChecks()); diff != "" {
				t.Fatalf("seed %d, revision %d: health checks (-compiled +updated):\n%s", seed, revision, diff)
			}
			if diff := cmp.Diff(r.HealthChecks(), updated.HealthChecks()); diff != "" && !updated.HealthChecksDiffer(r) {
				t.Fatalf("seed %d, revision %d: health checks differ, and nobody says so:\n%s", seed, revision, diff)
			}
			if diff := cmp.Diff(differing(r, updated), fmt.Sprint(changed)); diff != "" {
				t.Fatalf("seed %d, revision %d: changed (-want +got):\n%s", seed, revision, diff)
			}
			gone, come := updated.RefusalsSince(r, c.Services)
			wantGone, wantCome := lacking(r.Refusals(), updated.Refusals()), lacking(updated.Refusals(), r.Refusals())
			if diff := cmp.Diff([]string{fmt.Sprint(wantGone), fmt.Sprint(wantCome)}, []string{fmt.Sprint(gone), fmt.Sprint(come)}); diff != "" {
				t.Fatalf("seed %d, revision %d: refusals gone, and new (-want +got):\n%s", seed, revision, diff)
			}
			for what, other := range map[string]*Ruleset{"updated": updated, "compiled": anew, "the same": r} {
				found := other.Differing(r)
				slices.SortFunc(found, Frontend.Compare)
				if diff := cmp.Diff(differing(r, other), fmt.Sprint(found)); diff != "" {
					t.Fatalf("seed %d, revision %d: differing, %s (-want +got):\n%s", seed, revision, what, diff)
				}
			}
			s, r = next, updated
		}
	}
}

// differing returns the frontends whose rules differ, found the long way.
func differing(a, b *Ruleset) string {
	var changed []Frontend
	for rule := range a.Rules() {
		if other, ok := b.Lookup(rule.Frontend); !ok || !other.Equal(rule) {
			changed = append(changed, rule.Frontend)
		}
	}
	for rule := range b.Rules() {
		if _, ok := a.Lookup(rule.Frontend); !ok {
			changed = append(changed, rule.Frontend)
		}
	}
	slices.SortFunc(changed, Frontend.Compare)
	return fmt.Sprint(changed)
}

// An Update leaves its receiver alone, also the one that an Update made.
func TestUpdateLeavesTheOldOneAlone(t *testing.T) {
	all := func(r *Ruleset) []string {
		return slices.Concat(texts(r), refusals(r), []string{fmt.Sprint(r.HealthChecks())})
	}
	policy := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/15")}, NodePorts: true}
	rnd := rand.New(rand.NewPCG(1, 1))
	s := registry.Build(0)
	r := Compile(s, policy)
	for revision := range int64(100) {
		var changes []registry.Change
		for range 1 + revision%3 {
			changes = append(changes, randomChange(rnd, revision)...)
		}
		next, c := s.Apply(revision, changes...)
		before := all(r)
		updated, _ := r.Update(next, c)
		if diff := cmp.Diff(before, all(r)); diff != "" {
			t.Fatalf("revision %d: Update changes its receiver (-before +after):\n%s", revision, diff)
		}
		if revision%4 > 0 {
			s, r = next, updated
		}
	}
}

// BenchmarkUpdate is one endpoint of one service swapped.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 30_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := benchRegistry(n, 5)
			r := Compile(s, Policy{})
			// To and fro, so that only Update is timed.
			type step struct {
				*registry.Snapshot
				*registry.Changes
			}
			var steps []step
			for i := range byte(200) {
				next, changes := s.Apply(int64(i), registry.Put(benchService(int(i)*n/200, 5, 1)[1]))
				steps = append(steps, step{next, changes}, step{s, changes})
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := &steps[i%len(steps)]
				next, changed := r.Update(at.Snapshot, at.Changes)
				if len(changed) != 1 {
					b.Fatalf("%d frontends changed", len(changed))
				}
				r = next
			}
		})
	}
}

// BenchmarkCompile is a whole registry, and the memory that its rules take
// beside the snapshot.
func BenchmarkCompile(b *testing.B) {
	for _, size := range []struct{ services, endpoints int }{{10_000, 5}, {30_000, 5}, {5_000, 50}, {1, 5_000}} {
		b.Run(fmt.Sprintf("%dx%d", size.services, size.endpoints), func(b *testing.B) {
			s := benchRegistry(size.services, size.endpoints)
			before := heap()
			var r *Ruleset
			for b.Loop() {
				r = Compile(s, Policy{})
			}
			b.ReportMetric(float64(heap()-before)/float64(size.services), "B/service")
			runtime.KeepAlive(r)
			runtime.KeepAlive(s)
		})
	}
}

// BenchmarkLookup is what a rule costs that somebody asks for.
func BenchmarkLookup(b *testing.B) {
	for _, endpoints := range []int{5, 5_000} {
		b.Run(fmt.Sprint(endpoints), func(b *testing.B) {
			r := Compile(benchRegistry(1_000/endpoints+1, endpoints), Policy{})
			at := Frontend{netip.AddrFrom4([4]byte{10, 0, 0, 0}), registry.TCP, 80}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := r.Lookup(at); !ok {
					b.Fatal("no rule")
				}
			}
		})
	}
}

func benchRegistry(services, endpoints int) *registry.Snapshot {
	objects := make([]registry.Object, 0, 2*services)
	for i := range services {
		objects = append(objects, benchService(i, endpoints, 0)...)
	}
	return registry.Build(1, objects...)
}

// heap returns how many bytes live.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// benchService returns a service with some endpoints, which version tells from
// those of other versions.
func benchService(i, endpoints int, version byte) []registry.Object {
	k := registry.Key{Namespace: "ns", Name: fmt.Sprint(i)}
	ports := []registry.Port{{Name: "http", Protocol: registry.TCP, Port: 80}}
	var subset registry.Subset
	subset.Ports = []registry.EndpointPort{{Name: "http", Protocol: registry.TCP, Port: 8080}}
	for j := range endpoints {
		addr := netip.AddrFrom4([4]byte{10, 128 + version, byte(j >> 8), byte(j)})
		subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: addr, Ready: true})
	}
	portal := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return []registry.Object{
		&registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: k}, PortalIPs: []netip.Addr{portal}, Ports: ports},
		&registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: k}, Service: k, Subsets: []registry.Subset{subset}},
	}
}
