package iptables

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// randomAddr returns one of not too many addresses, some of them far apart.
func randomAddr(rnd *rand.Rand) netip.Addr {
	host := uint32(rnd.IntN(64))
	if rnd.IntN(3) == 0 {
		host <<= 20
	}
	if rnd.IntN(2) == 0 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 10<<24+host)
		return netip.AddrFrom4(a)
	}
	a := [16]byte{0: 0xfd}
	binary.BigEndian.PutUint32(a[10:], host)
	return netip.AddrFrom16(a)
}

// randomService returns one of few services, with 0 to 12 endpoints.
func randomService(rnd *rand.Rand) service {
	s := service{name: fmt.Sprintf("s%d", rnd.IntN(60))}
	for range 1 + rnd.IntN(2) {
		s.portals = append(s.portals, randomAddr(rnd).String())
	}
	if rnd.IntN(4) == 0 {
		s.publics = append(s.publics, randomAddr(rnd).String())
	}
	if rnd.IntN(2) == 0 {
		s.balanced = append(s.balanced, randomAddr(rnd).String())
		s.sources = randomSources(rnd)
	}
	s.externalLocal, s.internalLocal = rnd.IntN(4) == 0, rnd.IntN(8) == 0
	for j := range max(0, rnd.IntN(16)-4) {
		place := []string{"", "@here", "@there"}[rnd.IntN(3)]
		s.backends = append(s.backends, fmt.Sprintf("10.1.0.%d%s", j+rnd.IntN(3), place), fmt.Sprintf("fd01::%d%s", j, place))
	}
	if rnd.IntN(20) == 0 {
		for j := range 40 + rnd.IntN(80) {
			s.backends = append(s.backends, fmt.Sprintf("10.1.%d.%d", 1+rnd.IntN(2), j))
		}
	}
	if rnd.IntN(8) == 0 {
		s.affinity = time.Hour
	}
	s.ports = []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: "8080"}}
	if rnd.IntN(4) == 0 {
		s.ports = nil
		for p := range uint16(1 + rnd.IntN(30)) {
			protocol := protocols[rnd.IntN(3)]
			s.ports = append(s.ports, registry.Port{Name: fmt.Sprint(p), Protocol: protocol, Port: 80 + p, NodePort: 30000 + uint16(rnd.IntN(200))})
		}
	}
	return s
}

// randomSources returns networks, or none.
func randomSources(rnd *rand.Rand) []string {
	var all []string
	for range []int{0, 1, 3, 200}[rnd.IntN(4)] {
		bits := 9 + rnd.IntN(24)
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(rnd.IntN(4)), byte(rnd.IntN(4)), byte(rnd.IntN(256))}), bits).Masked().String())
	}
	return all
}

// randomStep makes a few random changes.
func (w *world) randomStep(rnd *rand.Rand) {
	var put []service
	for range 1 + rnd.IntN(3) {
		put = append(put, randomService(rnd))
	}
	w.put(put...)
	if rnd.IntN(3) == 0 {
		changed := w.changed
		w.remove(randomService(rnd).name)
		w.changed = append(changed, w.changed...)
	}
}

// chains returns every chain of a state as text.
func (s state) chains() map[string]string {
	all := map[string]string{}
	s.all(func(c *chain) {
		name := c.table + " " + c.name
		if _, twice := all[name]; twice {
			panic("two chains have the name " + name)
		}
		all[name] = strings.Join(c.lines(), "\n")
	})
	return all
}

// TestStateIsCanonical changes services at random: the chains are the same as
// those made anew, whatever happened before.
func TestStateIsCanonical(t *testing.T) {
	b := Config{MasqueradeAll: true}.base(nil, true)
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		w := newWorld()
		states := map[rules.Family]state{}
		for _, f := range []rules.Family{rules.IPv4, rules.IPv6} {
			states[f] = newState(f, w.rules, b)
		}
		for step := range 100 {
			w.randomStep(rnd)
			for f, old := range states {
				states[f] = old.update(w.rules, w.changed, b)
				anew, updated := newState(f, w.rules, b).chains(), states[f].chains()
				if !maps.Equal(anew, updated) {
					t.Fatalf("seed %d, step %d, %v (-anew +updated):\n%s", seed, step, f, cmp.Diff(anew, updated))
				}
			}
		}
	}
}

// TestChangeLeadsThere applies each plan to a fake: what stands then is the
// new state and nothing else.
func TestChangeLeadsThere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	n := newNode(t, Config{})
	for step := range 100 {
		n.randomStep(rnd)
		n.sync(t)
		for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
			save, _ := n.kernel.Save(t.Context(), family)
			got := map[string]string{}
			for r, lines := range readStanding(save).own {
				got[r.table+" "+r.name] = strings.Join(lines, "\n")
			}
			want := newState(family, n.rules, n.proxier.cfg.base(nil, true)).chains()
			if !maps.Equal(want, got) {
				t.Fatalf("step %d, %v (-want +stands):\n%s", step, family, cmp.Diff(want, got))
			}
		}
	}
	if n.kernel.Saves() != 2+200 {
		t.Errorf("%d reads of what stands, want only those of the first Sync and of this test", n.kernel.Saves()-200)
	}
}

// TestChangeIsSmall makes single changes among many services.
func TestChangeIsSmall(t *testing.T) {
	for _, size := range []int{100, 1500} {
		services := many(size, 5)
		n := newNode(t, Config{}, services...)
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			s := services[rnd.IntN(size)]
			_, exists := n.rules.Lookup(rules.Frontend{Addr: netip.MustParseAddr(s.portals[0]), Protocol: registry.TCP, Port: 80})
			what, limit := "a service comes or goes", 1<<stride+3
			switch {
			case exists && rnd.IntN(3) > 0:
				what, limit = "an endpoint changes", 1
				s.backends = []string{"10.250.0.1", "10.250.0.2", "10.250.0.3", "10.250.0.4", fmt.Sprintf("10.250.1.%d", rnd.IntN(200))}
				n.put(s)
			case exists:
				n.remove(s.name)
			default:
				n.put(s)
			}
			n.kernel.Inputs()
			n.sync(t)
			chains := 0
			for _, input := range n.kernel.Inputs() {
				chains += strings.Count(input, "\n:") + strings.Count(input, "\n-X")
			}
			if chains > limit {
				t.Errorf("%d services, %s: %d chains are touched, want at most %d", size, what, chains, limit)
			}
		}
	}
}

// TestChainsAreShort looks at every chain for services of at most 8 endpoints,
// and at how deep the tree is.
func TestChainsAreShort(t *testing.T) {
	for _, backends := range []int{1, 3, 5, 8} {
		s := newState(rules.IPv4, newWorld(many(1000, backends)...).rules, base{})
		s.all(func(c *chain) {
			if n := len(c.lines()); n > leafWeight {
				t.Errorf("%d endpoints: chain %s has %d rules, want at most %d", backends, c.name, n, leafWeight)
			}
			if len(c.name) > 28 {
				t.Errorf("chain name %s is too long", c.name)
			}
		})
	}
}

// TestCover checks the tightest prefix around two.
func TestCover(t *testing.T) {
	tests := []struct{ a, b, want string }{
		{"10.0.0.0/32", "10.0.0.1/32", "10.0.0.0/31"},
		{"10.0.0.0/30", "10.0.0.1/32", "10.0.0.0/30"},
		{"10.0.0.0/8", "192.168.0.0/16", "0.0.0.0/0"},
		{"fd00::1/128", "fd00::2/128", "fd00::/126"},
	}
	for _, tt := range tests {
		a, b := netip.MustParsePrefix(tt.a), netip.MustParsePrefix(tt.b)
		for _, got := range []netip.Prefix{cover(a, b), cover(b, a)} {
			if got.String() != tt.want {
				t.Errorf("cover(%v, %v) is %v, want %v", a, b, got, tt.want)
			}
		}
	}
}

// TestPortalsAreCovered checks the network that stands in for the portal
// network where that is unknown.
func TestPortalsAreCovered(t *testing.T) {
	w := newWorld(
		service{name: "a", portals: []string{"10.0.0.1"}, publics: []string{"192.0.2.1"}, backends: []string{"10.1.0.1"}},
		service{name: "b", portals: []string{"10.0.0.6"}, backends: []string{"10.1.0.1"}})
	s := newState(rules.IPv4, w.rules, base{})
	if diff := cmp.Diff("[10.0.0.0/29]", fmt.Sprint(s.portals())); diff != "" {
		t.Error(diff)
	}
	w.remove("b")
	if diff := cmp.Diff("[10.0.0.1/32]", fmt.Sprint(s.update(w.rules, w.changed, base{}).portals())); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkChange is one endpoint swapped: compiling and planning, until
// iptables-restore would run.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 30_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			services := many(n, 5)
			w := newWorld(services...)
			s := newState(rules.IPv4, w.rules, base{})
			writes := 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				changed := services[i%n]
				changed.backends = slices.Clone(changed.backends)
				changed.backends[0] = fmt.Sprintf("10.200.0.%d", i%250)
				old := w.rules
				next, c := w.snapshot.Apply(int64(i), registry.Put(changed.objects(int64(i))[1]))
				w.snapshot = next
				var frontends []rules.Frontend
				b.StartTimer()
				w.rules, frontends = old.Update(next, c)
				to := s.update(w.rules, frontends, base{})
				p := change(s, to)
				script(p.steps())
				s = to
				writes += len(p.writes)
			}
			b.ReportMetric(float64(writes)/float64(b.N), "chains/op")
		})
	}
}

// BenchmarkFull plans everything from nothing.
func BenchmarkFull(b *testing.B) {
	w := newWorld(many(10_000, 5)...)
	b.ReportAllocs()
	for b.Loop() {
		script(repair(standing{}, newState(rules.IPv4, w.rules, base{})).steps())
	}
}
