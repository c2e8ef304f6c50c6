package external

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// An endpoint stays in its slice when others come and go, and moves only where
// their number changes; then it is written to its new slice first.
func TestSlicesStay(t *testing.T) {
	t.Parallel()
	k := registry.Key{Namespace: "my-ns", Name: "web"}
	slicesFor := func(n int) map[string]*registry.Endpoints {
		g := group{ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: 80}}}
		for i := range n {
			g.endpoints = append(g.endpoints, outside{Endpoint: registry.Endpoint{Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), Ready: true}})
		}
		all := map[string]*registry.Endpoints{}
		for _, s := range slicesOf(k, []group{g}, nil, nil) {
			all[s.Name] = s
		}
		return all
	}
	for _, n := range [][2]int{{1000, 1001}, {1001, 1000}, {100, 1000}, {1000, 100}, {3000, 150}} {
		have, want := slicesFor(n[0]), slicesFor(n[1])
		var list []*registry.Endpoints
		for i := range 100 {
			if s := want[fmt.Sprintf("web-external-0-ipv4-%d", i)]; s != nil {
				list = append(list, s)
			}
		}
		changes := differences(have, list)
		if len(list) != len(want) {
			t.Fatal(len(list), len(want))
		}
		if n[0]-n[1] == 1 && len(changes.puts) != 1 {
			t.Errorf("%v: %d slices are written for one endpoint", n, len(changes.puts))
		}
		check := func() {
			standing := map[netip.Addr]bool{}
			for _, s := range have {
				for _, e := range s.Subsets[0].Endpoints {
					standing[e.Addr] = true
				}
			}
			if len(standing) < min(n[0], n[1]) {
				t.Errorf("%v: %d endpoints stand for a moment", n, len(standing))
			}
		}
		for _, s := range changes.puts {
			have[s.Name] = s
			check()
		}
		for _, ref := range changes.deletes {
			delete(have, ref.Name)
			check()
		}
		if len(have) != len(want) {
			t.Errorf("%v: %d slices, want %d", n, len(have), len(want))
		}
	}
}

// What an endpoint is beside its address stays. One that stands in several
// places counts once, and as ready if it is in one of them.
func TestFieldsStay(t *testing.T) {
	t.Parallel()
	e := registry.Endpoint{
		Addr: netip.MustParseAddr("192.0.2.1"), Hostname: "one", Node: "n", Zone: "z",
		Target: registry.Target{Kind: "Pod", Key: registry.Key{Namespace: "my-ns", Name: "p"}}, Ready: true, Serving: true,
	}
	src := &source{service: &registry.Service{}, subsets: []registry.Subset{{Endpoints: []registry.Endpoint{{Addr: e.Addr}, e, {Addr: e.Addr}}}}}
	x := expand(src, nil, func(netip.Addr) string { return "" })
	got := slicesOf(registry.Key{Namespace: "my-ns", Name: "web"}, x.groups, nil, nil)[0].Subsets[0].Endpoints
	if len(got) != 1 || got[0] != e {
		t.Errorf("got %+v, want %+v", got, e)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	for outcomes, want := range map[string]string{ // of rise 2, fall 3
		"-":            "0",      // the first decides alone
		"+":            "1",      //
		"+--":          "111",    //
		"+---":         "1110",   //
		"+--+--":       "111111", // a streak begins anew
		"+----+":       "111000", //
		"+---++":       "111001", //
		"+---+-+-":     "11100000",
		"--+":          "000",
		"-++---+--+++": "001110000011",
	} {
		h := health{up: true}
		var got strings.Builder
		before := h.up
		for _, o := range outcomes {
			var err error
			if o == '-' {
				err = errors.New("failed")
			}
			changed := h.observe(err, 2, 3)
			if changed != (h.up != before) {
				t.Errorf("%s: changed %v, from %v to %v", outcomes, changed, before, h.up)
			}
			if before = h.up; h.up {
				got.WriteByte('1')
			} else {
				got.WriteByte('0')
			}
		}
		if got.String() != want {
			t.Errorf("%s: got %s, want %s", outcomes, got.String(), want)
		}
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		passing, all int
		share        float64
		want         bool
	}{{0, 3, 0, true}, {1, 3, 0, false}, {0, 0, 0, false}, {1, 3, 0.5, true}, {2, 4, 0.5, false}, {2, 3, 1, true}} {
		if got := panics(tt.passing, tt.all, tt.share); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

// Floor and ceiling bound how old an answer gets, and pauses after failures
// grow.
func TestTimeToAskAgain(t *testing.T) {
	t.Parallel()
	c := newController(Config{Logger: quiet, MinTTL: 5 * time.Second, MaxTTL: time.Minute}.withDefaults(), newMetrics(), nil)
	n := &name{}
	addrs := [2][]netip.Addr{{netip.MustParseAddr("192.0.2.1")}}
	about := func(what string, got, want time.Duration) {
		t.Helper()
		if got > want || got < want*9/10 {
			t.Errorf("%s: asked again after %v, want %v", what, got, want)
		}
	}
	about("floor", c.answered(n, &answer{addrs: addrs, ttl: time.Second}), 5*time.Second)
	about("TTL", c.answered(n, &answer{addrs: addrs, ttl: 20 * time.Second}), 20*time.Second)
	about("ceiling", c.answered(n, &answer{addrs: addrs, ttl: time.Hour}), time.Minute)
	about("failed", c.answered(n, &answer{}), 5*time.Second)
	about("failed again", c.answered(n, &answer{}), 10*time.Second)
	about("good again", c.answered(n, &answer{addrs: addrs, ttl: 20 * time.Second}), 20*time.Second)
	one := &answer{addrs: [2][]netip.Addr{nil, {netip.MustParseAddr("2001:db8::1")}}, errs: [2]error{errors.New("SERVFAIL")}}
	c.answered(n, one)
	if len(n.all()) != 2 {
		t.Errorf("of one family's failure came %v: want the old IPv4 and the new IPv6 address", n.all())
	}
}
