package endpoints

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

var web = &registry.Service{
	Meta:      registry.Meta{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: "web"}, Labels: map[string]string{"team": "a"}},
	Selector:  map[string]string{"app": "web"},
	PortalIPs: []netip.Addr{netip.MustParseAddr("10.0.0.10")},
	Ports:     []registry.Port{{Protocol: registry.TCP, Port: 80}},
}

// groupOf returns a group with endpoints of those numbers, at some port.
func groupOf(port uint16, numbers ...int) group {
	g := group{ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: port}}}
	for _, n := range numbers {
		g.endpoints = append(g.endpoints, registry.Endpoint{
			Addr:  netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}),
			Ready: true, Serving: true,
			Target: registry.Target{Kind: "Pod", Key: registry.Key{Namespace: "my-ns", Name: fmt.Sprintf("p%d", n)}},
		})
	}
	return g
}

func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

// world is what stands, as plans change it.
type world struct {
	revision int64
	slices   map[string]*registry.Endpoints
	mirror   *registry.Endpoints
	foreign  []string
}

func (w *world) standing() standing {
	have := standing{mirror: w.mirror, taken: func(k registry.Key) bool {
		return w.slices[k.Name] != nil || slices.Contains(w.foreign, k.Name)
	}}
	for _, e := range w.slices {
		have.slices = append(have.slices, e)
	}
	return have
}

// carry carries a plan out, and returns what it does, in order.
func (w *world) carry(t *testing.T, p plan) []string {
	t.Helper()
	var done []string
	if w.slices == nil {
		w.slices = map[string]*registry.Endpoints{}
	}
	for _, e := range p.puts {
		w.revision++
		verb := "change "
		if e.ModRevision == 0 {
			verb = "create "
		}
		e.ModRevision = w.revision
		if e.Kind == registry.KindEndpoints {
			w.mirror = e
		} else {
			if verb == "create " && w.standing().taken(e.Key) {
				t.Errorf("%s is taken", e.Name)
			}
			w.slices[e.Name] = e
		}
		done = append(done, verb+e.Kind.String()+" "+e.Name+" "+numbersIn(e))
	}
	for _, e := range p.deletes {
		done = append(done, "delete "+e.Kind.String()+" "+e.Name)
		if e.Kind == registry.KindEndpoints {
			w.mirror = nil
		} else {
			delete(w.slices, e.Name)
		}
	}
	slices.Sort(done)
	return done
}

// numbersIn lists the ports and pods of an object.
func numbersIn(e *registry.Endpoints) string {
	var texts []string
	for _, s := range e.Subsets {
		for _, p := range s.Ports {
			texts = append(texts, fmt.Sprintf(":%d", p.Port))
		}
		for _, e := range s.Endpoints {
			texts = append(texts, e.Target.Name)
		}
	}
	return strings.Join(texts, " ")
}

func TestPlan(t *testing.T) {
	config := &Config{SliceSize: 3, SlicesOnly: true}
	notReady := groupOf(80, 2, 3, 4, 5)
	notReady.endpoints[0].Ready = false
	type step struct {
		name    string
		service *registry.Service
		groups  []group
		want    []string
	}
	renamed := *web
	renamed.Labels = map[string]string{"team": "b"}
	byHand, external := *web, *web
	byHand.Selector = nil
	external.Type = registry.ExternalName
	steps := []step{
		{"no pod: an empty slice", web, nil, []string{"create EndpointSlice web-pods-0 "}},
		{"the empty slice is used", web, []group{groupOf(80, 1)}, []string{"change EndpointSlice web-pods-0 :80 p1"}},
		{"nothing to do", web, []group{groupOf(80, 1)}, nil},
		{"a second slice, whose first name is taken", web, []group{groupOf(80, 1, 2, 3, 4)}, []string{
			"change EndpointSlice web-pods-0 :80 p1 p2 p3", "create EndpointSlice web-pods-2 :80 p4"}},
		{"one goes: only its slice changes", web, []group{groupOf(80, 2, 3, 4)}, []string{"change EndpointSlice web-pods-0 :80 p2 p3"}},
		{"one comes: where there is room", web, []group{groupOf(80, 2, 3, 4, 5)}, []string{"change EndpointSlice web-pods-0 :80 p2 p3 p5"}},
		{"one is no longer ready", web, []group{notReady}, []string{"change EndpointSlice web-pods-0 :80 p2 p3 p5"}},
		{"one has another port", web, []group{groupOf(80, 2, 3, 5), groupOf(81, 4)}, []string{
			"change EndpointSlice web-pods-0 :80 p2 p3 p5", "change EndpointSlice web-pods-2 :81 p4"}},
		{"the service's labels are the slices'", &renamed, []group{groupOf(80, 2, 3, 5), groupOf(81, 4)}, []string{
			"change EndpointSlice web-pods-0 :80 p2 p3 p5", "change EndpointSlice web-pods-2 :81 p4"}},
		{"all go: one empty slice stays", &renamed, nil, []string{"change EndpointSlice web-pods-0 ", "delete EndpointSlice web-pods-2"}},
		{"no selector: hand-made ones count again", &byHand, nil, []string{"delete EndpointSlice web-pods-0"}},
		{"and again", web, []group{groupOf(80, 1)}, []string{"create EndpointSlice web-pods-0 :80 p1"}},
		{"an outside name has none", &external, nil, []string{"delete EndpointSlice web-pods-0"}},
		{"and back", web, []group{groupOf(80, 1)}, []string{"create EndpointSlice web-pods-0 :80 p1"}},
		{"the service is gone", nil, nil, []string{"delete EndpointSlice web-pods-0"}},
	}
	w := &world{foreign: []string{"web-pods-1"}}
	for _, s := range steps {
		got := w.carry(t, planFor(s.service, s.groups, w.standing(), config))
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", s.name, diff)
		}
		for _, e := range w.slices {
			if e.Labels[managedByLabel] != Manager || e.Labels[serviceNameLabel] != "web" || e.Labels["team"] == "" {
				t.Errorf("%s: labels %v", s.name, e.Labels)
			}
		}
	}
}

// One pod's change writes one slice, however many there are, and a service that
// shrank doesn't stay in slices with hardly anything in them.
func TestPlanOfThousands(t *testing.T) {
	config := &Config{SliceSize: 100, SlicesOnly: true}
	w := &world{}
	step := func(numbers []int, writes, slicesAfter int) {
		t.Helper()
		if done := w.carry(t, planFor(web, []group{groupOf(80, numbers...)}, w.standing(), config)); len(done) != writes {
			t.Errorf("%d writes, want %d", len(done), writes)
		}
		var got []int
		for _, e := range w.slices {
			for _, e := range e.Subsets[0].Endpoints {
				var n int
				_, _ = fmt.Sscanf(e.Target.Name, "p%d", &n)
				got = append(got, n)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, numbers) || len(w.slices) != slicesAfter {
			t.Errorf("%d endpoints in %d slices, want %d in %d", len(got), len(w.slices), len(numbers), slicesAfter)
		}
	}
	all := upTo(5000)
	step(all, 50, 50)
	step(slices.Delete(slices.Clone(all), 2500, 2501), 1, 50)
	step(all, 1, 50)
	tenth := slices.DeleteFunc(slices.Clone(all), func(n int) bool { return n%10 != 0 })
	step(tenth, 50, 5) // 5 are written, 45 are deleted
}

// Whatever happens, each endpoint stands in one slice, and none is too large.
func TestPlanChurn(t *testing.T) {
	config := &Config{SliceSize: 4, SlicesOnly: true}
	w := &world{}
	seed := uint32(1)
	next := func(n int) int { seed = seed*1664525 + 1013904223; return int(seed>>16) % n }
	for range 500 {
		groups := []group{groupOf(80), groupOf(81)}
		for n := 1; n <= 30; n++ {
			if g := next(3); g < 2 {
				groups[g].endpoints = append(groups[g].endpoints, groupOf(80, n).endpoints...)
			}
		}
		w.carry(t, planFor(web, groups, w.standing(), config))
		var got, want []string
		for _, g := range groups {
			for _, e := range g.endpoints {
				want = append(want, fmt.Sprint(g.ports[0].Port, e.Target.Name))
			}
		}
		for _, e := range w.slices {
			ports, endpoints := content(e)
			if len(endpoints) == 0 || len(endpoints) > 4 {
				t.Fatalf("%s has %d endpoints", e.Name, len(endpoints))
			}
			for _, endpoint := range endpoints {
				got = append(got, fmt.Sprint(ports[0].Port, endpoint.Target.Name))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if p := planFor(web, groups, w.standing(), config); !p.empty() {
			t.Fatalf("what was written doesn't settle: %+v", p)
		}
	}
}

var (
	netip6 = netip.MustParseAddr("2001:db8::6")
	addrs6 = []netip.Addr{netip.MustParseAddr("fd00::10"), netip.MustParseAddr("10.0.0.10")}
)
