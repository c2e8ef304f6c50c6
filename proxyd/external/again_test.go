package external

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// Pauses after failures grow up to the ceiling, and begin anew after a success.
// Times differ, by up to a tenth.
func TestPausesOfNames(t *testing.T) {
	t.Parallel()
	c := newController(Config{Logger: quiet, MinTTL: 5 * time.Second, MaxTTL: time.Minute}.withDefaults(), newMetrics(), nil)
	n := &name{}
	good := &answer{addrs: [2][]netip.Addr{{netip.MustParseAddr("192.0.2.1")}}, ttl: time.Second}
	for range 3 {
		for i, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
			want *= time.Second
			if got := c.answered(n, &answer{}); got > want || got < want*9/10 {
				t.Errorf("failure %d: asked again after %v, want %v", i, got, want)
			}
		}
		c.answered(n, good)
	}
	times := map[time.Duration]bool{}
	for range 100 {
		times[c.answered(n, good)] = true
	}
	if len(times) < 50 {
		t.Errorf("%d different times of 100", len(times))
	}
}

// The next name server is asked where one fails, but not where one says that
// there is no such name.
func TestNextServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		rcode int // of the first
		asked int // of the second
		fails bool
	}{
		{"the first answers", dns.RcodeSuccess, 0, false},
		{"the first fails", dns.RcodeServerFailure, 2, false},
		{"the first refuses", dns.RcodeRefused, 2, false},
		{"there is no such name", dns.RcodeNameError, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, second := startNameServer(t), startNameServer(t)
			first.set("db.example.com. 60 A 192.0.2.1")
			second.set("db.example.com. 60 A 192.0.2.1")
			first.fail(tt.rcode)
			r := &resolver{func() ([]string, error) { return []string{first.address, second.address}, nil }}
			a := r.lookup(t.Context(), "db.example.com")
			if err := a.failed(); (err != nil) != tt.fails || !tt.fails && len(a.addrs[0]) != 1 {
				t.Errorf("%v, %v", a.addrs, err)
			}
			if got := second.queries("db.example.com."); got != tt.asked {
				t.Errorf("the second was asked %d times, want %d", got, tt.asked)
			}
		})
	}
}

// checkedService is one with an endpoint, which is checked, and the expansion
// of that.
func checkedService(interval time.Duration) (*service, *expansion, target) {
	k := registry.Key{Namespace: "my-ns", Name: "web"}
	s := &service{key: k, checks: map[target]*checked{}, source: &source{
		service: &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: k}},
		check:   &check{method: "tcp", interval: interval, timeout: time.Millisecond, rise: 1, fall: 1},
	}}
	at := netip.MustParseAddrPort("192.0.2.1:80")
	g := group{ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: at.Port()}}, endpoints: []outside{{Endpoint: registry.Endpoint{Addr: at.Addr(), Ready: true}}}}
	return s, &expansion{groups: []group{g}}, target{at, registry.TCP, "web.my-ns"}
}

// Other settings count at once, not after what was an interval, and as many
// endpoints are checked as before.
func TestOtherSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newController(Config{Logger: quiet}.withDefaults(), newMetrics(), nil)
		s, x, at := checkedService(time.Hour)
		c.services[s.key] = s
		c.check(t.Context(), s, x)
		old := s.checks[at]
		c.check(t.Context(), s, x)
		if s.checks[at] != old || c.checking != 1 || len(c.agenda) != 1 {
			t.Fatalf("without a change: %+v, %d checks of %d", s.checks, len(c.agenda), c.checking)
		}
		s.source.check.interval = time.Second
		c.check(t.Context(), s, x)
		if now := s.checks[at]; now == old || now.how.interval != time.Second || c.checking != 1 || len(c.agenda) != 1 || c.agenda.wait(time.Now()) > time.Second {
			t.Errorf("%+v, %d checks of %d, the next in %v", now, len(c.agenda), c.checking, c.agenda.wait(time.Now()))
		}
		c.check(t.Context(), s, nil)
		if len(s.checks) != 0 || c.checking != 0 || len(c.agenda) != 0 {
			t.Errorf("in the end %+v, %d checks of %d", s.checks, len(c.agenda), c.checking)
		}
	})
}

// Times between checks differ, so that what began together doesn't stay
// together, and are no longer than the interval allows.
func TestChecksDrift(t *testing.T) {
	var at []time.Time
	simulate(t, map[string]string{CheckAnnotation: "tcp", IntervalAnnotation: "10s", TimeoutAnnotation: "3s", FallAnnotation: "3"}, 1, 0, 20*time.Minute,
		func(context.Context, *check, target) error { at = append(at, time.Now()); return nil }, func(map[netip.Addr]bool) {})
	gaps := map[time.Duration]bool{}
	for i := range len(at) - 1 {
		gap := at[i+1].Sub(at[i])
		if gaps[gap] = true; gap > 9*time.Second || gap < 8100*time.Millisecond {
			t.Errorf("%v from one check to the next, want up to 9s", gap)
		}
	}
	if len(gaps) < 50 {
		t.Errorf("%d different times between %d checks", len(gaps), len(at))
	}
}

// What becomes of many endpoints of a service at nearly the same time is written
// together.
func TestWritesAreCollected(t *testing.T) {
	writes := 0
	start := sync.OnceValue(time.Now)
	simulate(t, map[string]string{CheckAnnotation: "tcp", IntervalAnnotation: "10s", FallAnnotation: "1"}, 1000, 0, 2*time.Minute,
		func(_ context.Context, _ *check, at target) error {
			if time.Since(start()) > time.Minute && at.addr.Addr().As4()[3]%2 == 0 {
				return errors.New("down")
			}
			return nil
		}, func(map[netip.Addr]bool) { writes++ })
	if writes < 2 || writes > 100 {
		t.Errorf("%d writes of what became of 500 endpoints within ten seconds", writes)
	}
}

// A check that comes when enough are under way waits, is counted, and is made
// when one of them ends.
func TestLateChecks(t *testing.T) {
	t.Parallel()
	c := newController(Config{Logger: quiet, MaxChecks: 1}.withDefaults(), newMetrics(), nil)
	c.probe = func(context.Context, *check, target) error { return nil }
	s, x, at := checkedService(time.Hour)
	c.check(t.Context(), s, x)
	c.probes = 1
	c.probeOrWait(t.Context(), s, at, s.checks[at])
	if len(c.queue) != 1 || c.probes != 1 || registrytest.Metric(t, c.metrics.late) != 1 {
		t.Errorf("%d wait, %d under way, %v late", len(c.queue), c.probes, registrytest.Metric(t, c.metrics.late))
	}
	c.probed(t.Context(), s, target{}, &checked{}, time.Now(), nil) // of an endpoint that is gone
	if len(c.queue) != 0 || c.probes != 1 {
		t.Errorf("then %d wait, %d under way", len(c.queue), c.probes)
	}
	(<-c.results)()
	c.running.Wait()
	if c.probes != 0 || registrytest.Metric(t, c.metrics.checks.WithLabelValues("pass")) != 1 {
		t.Errorf("in the end %d under way", c.probes)
	}
}

// A service that is forgotten counts for nothing any more, nor does anything
// where another node leads.
func TestForgotten(t *testing.T) {
	t.Parallel()
	c := newController(Config{Logger: quiet}.withDefaults(), newMetrics(), nil)
	s, x, _ := checkedService(time.Hour)
	c.services[s.key] = s
	c.check(t.Context(), s, x)
	c.alarm(s, true, 0, 1)
	c.metrics.count(s, 1, 2, 3)
	passing := c.metrics.endpoints.WithLabelValues("passing")
	if registrytest.Metric(t, c.metrics.panics) != 1 || registrytest.Metric(t, passing) != 1 {
		t.Error("it isn't counted")
	}
	c.forget(s)
	if registrytest.Metric(t, c.metrics.panics) != 0 || registrytest.Metric(t, passing) != 0 || c.checking != 0 || len(c.agenda) != 0 || len(c.services) != 0 {
		t.Errorf("%v panic, %v pass, %d are checked", registrytest.Metric(t, c.metrics.panics), registrytest.Metric(t, passing), c.checking)
	}
}

// Of an endpoint that is written twice the one that is ready counts; and what
// is written comes before what is written over, so that nobody is missing
// meanwhile.
func TestExpandAndOrder(t *testing.T) {
	t.Parallel()
	a := netip.MustParseAddr("192.0.2.1")
	s, _, _ := checkedService(time.Hour)
	s.source.subsets = []registry.Subset{{Endpoints: []registry.Endpoint{{Addr: a}, {Addr: netip.MustParseAddr("::ffff:192.0.2.1"), Ready: true}, {Addr: a}}}}
	x := expand(s.source, nil, func(netip.Addr) string { return "" })
	if len(x.groups) != 1 || len(x.groups[0].endpoints) != 1 || !x.groups[0].endpoints[0].Ready {
		t.Errorf("%+v", x.groups)
	}
	slice := func(name string, ready bool) *registry.Endpoints {
		return &registry.Endpoints{Meta: registry.Meta{Key: registry.Key{Name: name}}, Subsets: []registry.Subset{{Endpoints: []registry.Endpoint{{Addr: a, Ready: ready}}}}}
	}
	order := func(have, want []*registry.Endpoints) (names []string) {
		standing := map[string]*registry.Endpoints{}
		for _, one := range have {
			standing[one.Name] = one
		}
		c := differences(standing, want)
		for _, one := range c.puts {
			names = append(names, one.Name)
		}
		for _, ref := range c.deletes {
			names = append(names, "-"+ref.Name)
		}
		return names
	}
	old := []*registry.Endpoints{slice("a", false), slice("b", false)}
	if got := order(old, []*registry.Endpoints{slice("a", true), slice("b", true), slice("c", true)}); !slices.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("more than before: %v", got)
	}
	if got := order(old, []*registry.Endpoints{slice("a", true)}); !slices.Equal(got, []string{"a", "-b"}) {
		t.Errorf("fewer than before: %v", got)
	}
}
