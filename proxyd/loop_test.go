package proxyd

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

func (w *world) want(what string, want ...syncCall) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.kernel.took()); diff != "" {
		w.t.Errorf("%s: syncs (-want +got):\n%s", what, diff)
	}
}

// now returns the time since the world began.
func (w *world) now() time.Duration { return time.Since(w.kernel.start) }

// next lets time go by in steps until the kernel is called.
func (w *world) next(step time.Duration) syncCall {
	w.t.Helper()
	for range 1000 {
		w.pass(step)
		if calls := w.kernel.took(); len(calls) > 0 {
			return calls[0]
		}
	}
	w.t.Fatal("no sync")
	return syncCall{}
}

// A proxyd that knows nothing leaves standing rules alone, however long that
// lasts.
func TestNothingBeforeTheFirstSnapshot(t *testing.T) {
	inWorld(t, func(w *world) {
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
		w.pass(3 * fullPeriod)
		w.want("without a snapshot")
		if w.told.ready.Load() {
			t.Error("ready without a snapshot")
		}
		w.began()
		if !w.told.ready.Load() || w.count("READY=1") != 1 {
			t.Errorf("ready %v, told %q; want READY=1 once", w.told.ready.Load(), w.notes)
		}
		w.write(endpoints("first", "10.1.0.9"))
		w.pass(minPeriod)
		if w.count("READY=1") != 1 {
			t.Errorf("told %q; want READY=1 once", w.notes)
		}
	})
}

// An empty registry is known too: its rules are none.
func TestEmptyRegistryIsSynced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write()
		w.pass(minPeriod)
		w.want("an empty registry", syncCall{0, true, ""})
	})
}

// burst writes twenty times within the period, and returns when that began.
func (w *world) burst() time.Duration {
	start := w.now()
	for i := range 20 {
		name := fmt.Sprint("s", i%2)
		w.write(service(name, fmt.Sprint("10.0.1.", i%2), "TCP"), endpoints(name, fmt.Sprint("10.1.0.", i)))
		w.pass(minPeriod / 25)
	}
	w.pass(time.Second)
	return start
}

// Where syncs take long, a change waits for others.
func TestChangesAreJoined(t *testing.T) {
	inWorld(t, func(w *world) {
		w.kernel.each = minPeriod
		w.began()
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(time.Second)
		w.kernel.took()
		start := w.burst()
		w.want("20 writes within the period", syncCall{start + minPeriod, false, "10.0.1.0:80/TCP 10.0.1.1:80/TCP"})
		if rule, _ := w.kernel.rules.Lookup(frontend("10.0.1.1:80")); len(rule.Backends) != 1 || rule.Backends[0].String() != "10.1.0.19:8080" {
			t.Errorf("backends %v, want those of the last write", rule.Backends)
		}
	})
}

// Where they are quick, it waits for nothing but a pause since the last sync.
func TestQuickSyncsHaveAPause(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.pass(time.Second)
		start := w.burst()
		w.want("20 writes within the period",
			syncCall{start, false, "10.0.1.0:80/TCP"}, syncCall{start + minPeriod, false, "10.0.1.0:80/TCP 10.0.1.1:80/TCP"})
	})
}

func TestOnlyWhatDiffersIsSynced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		start := w.now()
		w.write(endpoints("first", "10.1.0.1")) // the same again
		w.write(endpoints("nobody", "10.1.0.7"))
		w.pass(time.Second)
		w.want("writes that change no rule")
		if since, n := w.inbox.waiting(); !since.IsZero() || n != 0 {
			t.Errorf("waiting since %v, %d services; want nothing to wait", since, n)
		}
		w.write(gone(registry.KindService, "first"))
		w.pass(time.Second)
		w.want("a deleted service", syncCall{start + time.Second, false, "10.0.0.1:80/TCP"})
	})
}

func TestPortalNetworksBringAFullSync(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		start := w.now()
		w.write(registry.Put(&registry.ServiceCIDR{
			Meta:     registry.Meta{Kind: registry.KindServiceCIDR, Key: registry.Key{Name: "portals"}},
			Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		}))
		w.pass(minPeriod)
		w.want("a portal network", syncCall{start, true, ""})
		if got := fmt.Sprint(w.kernel.portal); got != "[10.0.0.0/16]" {
			t.Errorf("portal networks %s", got)
		}
		rule := func() rules.Rule {
			r, _ := w.kernel.rules.Lookup(rules.Frontend{Addr: netip.MustParseAddr("10.0.0.1"), Protocol: registry.TCP, Port: 80})
			return r
		}
		if len(rule().Backends) != 1 {
			t.Errorf("before its endpoint was in the portal network: %v", rule())
		}
		w.write(registry.Put(&registry.ServiceCIDR{
			Meta:     registry.Meta{Kind: registry.KindServiceCIDR, Key: registry.Key{Name: "more"}},
			Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		}))
		w.pass(minPeriod)
		if len(rule().Backends) != 0 {
			t.Errorf("since its endpoint is in the portal network: %v", rule())
		}
	})
}

// After an error all is done again, with pauses that grow; changes meanwhile
// wait with it, and once it went well they are small again.
func TestErrorsBringFullSyncsWithGrowingPauses(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.kernel.failing(func() error { return errors.New("xtables lock") })
		last, pause := w.now(), firstPause
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(minPeriod)
		w.want("the change", syncCall{last, false, "10.0.0.1:80/TCP"})
		for range 10 {
			w.write(endpoints("first", "10.1.0.3"))
			call := w.next(pause / 100)
			if d := call.At - last; !call.Full || d < pause-pause/10 || d > pause+pause/10 {
				t.Errorf("%+v after %v, want a full one after about %v", call, d, pause)
			}
			last, pause = call.At, min(2*pause, maxPause)
		}
		if w.waitingFor() < time.Minute {
			t.Errorf("waiting for %v, want since the first failure", w.waitingFor())
		}
		w.kernel.failing(nil)
		w.pass(2 * maxPause)
		if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
			t.Errorf("syncs %v, want one that ends the trouble", calls)
		}
		if w.waitingFor() != 0 {
			t.Errorf("waiting for %v, want nothing to wait", w.waitingFor())
		}
		start := w.now()
		w.write(endpoints("first", "10.1.0.4"))
		w.pass(minPeriod)
		w.want("a change afterwards", syncCall{start, false, "10.0.0.1:80/TCP"})
	})
}

// Rules that the kernel refuses hold nobody up: the others stand, changes go
// on, and a full sync tries again in a while.
func TestRejectedRulesHoldNobodyUp(t *testing.T) {
	inWorld(t, func(w *world) {
		rejected := &rules.RejectedError{Services: map[registry.Key]error{key("bad"): errors.New("no")}}
		w.kernel.failing(func() error { return fmt.Errorf("sync: %w", rejected) })
		w.write(service("first", "10.0.0.1", "TCP"))
		w.pass(minPeriod)
		w.want("the first", syncCall{0, true, ""})
		if !w.told.ready.Load() || w.waitingFor() != 0 {
			t.Errorf("ready %v, waiting %v; want what stands to count", w.told.ready.Load(), w.waitingFor())
		}
		w.write(endpoints("first", "10.1.0.1"))
		w.pass(minPeriod)
		w.want("a change", syncCall{minPeriod, false, "10.0.0.1:80/TCP"})
		w.kernel.failing(nil)
		w.pass(maxPause + maxPause/10)
		if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
			t.Errorf("syncs %v, want a full one within %v", calls, maxPause)
		}
	})
}

func TestFullSyncNowAndThen(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		last, same := w.now(), 0
		for range 10 {
			w.pass(fullPeriod)
			w.pass(fullPeriod / 10)
			for _, call := range w.kernel.took() {
				if d := call.At - last; !call.Full || d < fullPeriod-fullPeriod/10 || d > fullPeriod+fullPeriod/10 {
					t.Errorf("%+v after %v, want a full one after about %v", call, d, fullPeriod)
				} else if d == fullPeriod {
					same++
				}
				last = call.At
			}
		}
		if last < 9*fullPeriod || same > 1 {
			t.Errorf("last at %v, %d without jitter", last, same)
		}
	})
}

// The watchdog hears of the loop while it turns, and not while it hangs.
func TestWatchdogFollowsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.beat = time.Second
		release := make(chan struct{})
		w.kernel.failing(func() error { <-release; return nil })
		ended := make(chan error, 1)
		go func() { ended <- w.run(t.Context()) }()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if n := w.count("WATCHDOG=1"); n != 10 {
			t.Errorf("%d signs of life in 10 s, want 10", n)
		}
		w.write(service("first", "10.0.0.1", "TCP"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.count("WATCHDOG=1"); n != 10 {
			t.Errorf("%d signs of life, want none while the kernel hangs", n-10)
		}
		close(release)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := w.count("WATCHDOG=1"); n < 20 {
			t.Errorf("%d signs of life, want them back", n-10)
		}
	})
}
