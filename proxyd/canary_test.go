package proxyd

import (
	"errors"
	"testing"
	"time"
)

// What others destroy is repaired within a second, as often as they do it.
func TestForeignChangesAreRepaired(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.pass(time.Minute)
		w.want("nobody changed anything")
		for range 3 {
			w.kernel.foreign(true)
			w.pass(time.Second)
			if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
				t.Fatalf("syncs %v, want a full one within a second", calls)
			}
			w.pass(time.Minute)
			w.want("repaired")
		}
		w.logged("others changed our rules", 3)
		if n := gaugeValue(t, w.metrics, "proxyd_repairs_total"); n != 3 {
			t.Errorf("proxyd_repairs_total %v, want 3", n)
		}
	})
}

// Looking closer takes place once for each generation, and for no other reason.
func TestLooksAreFew(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Minute)
		if n := w.kernel.looked(); n != 0 {
			t.Errorf("looked %d times before there was anything", n)
		}
		w.began()
		w.pass(time.Minute)
		if n := w.kernel.looked(); n != 1 {
			t.Errorf("looked %d times, want once after the first sync", n)
		}
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(time.Minute)
		if n := w.kernel.looked(); n != 1 {
			t.Errorf("looked %d times, want once after a sync", n)
		}
		w.kernel.took()
		w.kernel.foreign(false)
		w.pass(time.Second)
		if n := w.kernel.looked(); n != 1 {
			t.Errorf("looked %d times, want once after others changed something", n)
		}
		w.want("the first look")
		w.pass(foreignPause + foreignPause/10)
		if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
			t.Errorf("syncs %v, want a full one some seconds after others changed something", calls)
		}
	})
}

// Others that destroy our rules all the time get no more than a share of ours.
func TestRepairsAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.kernel.takes = 2 * time.Second
		w.write(service("first", "10.0.0.1", "TCP"))
		w.pass(time.Minute)
		w.kernel.took()
		for range 6000 {
			w.kernel.foreign(true)
			w.pass(100 * time.Millisecond)
		}
		if n := len(w.kernel.took()); n < 10 || n > 61 {
			t.Errorf("%d repairs of 2 s each in 10 minutes, want a fifth of the time at most", n)
		}
	})
}

// Repairs that don't help are tried again, with pauses that grow.
func TestRepairsThatDoNotHelp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.kernel.stuck = true
		w.kernel.foreign(true)
		w.pass(5 * time.Second)
		if n := len(w.kernel.took()); n < 3 || n > 5 {
			t.Errorf("%d repairs in 5 s, want a few", n)
		}
		w.pass(time.Hour)
		if n := len(w.kernel.took()); n < 50 || n > 70 {
			t.Errorf("%d repairs in an hour, want about one a minute", n)
		}
		w.kernel.mu.Lock()
		w.kernel.stuck = false
		w.kernel.mu.Unlock()
		w.pass(3 * maxPause)
		w.kernel.took()
		for range 3 { // each finds them whole again
			w.kernel.foreign(true)
			w.pass(time.Second)
			if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
				t.Errorf("syncs %v, want one within a second once they help", calls)
			}
			w.pass(time.Second)
		}
		w.kernel.foreign(true)
		w.pass(time.Second)
		if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
			t.Errorf("syncs %v, want one within a second once they help", calls)
		}
	})
}

// Where nobody can tell, that is told once, and full syncs go on.
func TestNobodyCanTell(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.pass(time.Second)
		w.kernel.mu.Lock()
		w.kernel.blind = true
		w.kernel.mu.Unlock()
		w.kernel.foreign(true)
		w.pass(time.Minute)
		w.want("nobody can tell")
		w.logged("can't tell whether our rules stand", 1)
		w.kernel.mu.Lock()
		w.kernel.blind = false
		w.kernel.mu.Unlock()
		w.pass(time.Second)
		if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
			t.Errorf("syncs %v, want a full one when it can be told again", calls)
		}
	})
}

// While repairs fail they are tried again as after any failure, with pauses
// that grow: what is missing is known, and nobody looks.
func TestFailedRepairsAreNotHurried(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.kernel.failing(func() error { return errors.New("the kernel is busy") })
		w.kernel.foreign(true)
		w.pass(time.Second)
		w.kernel.looked()
		w.kernel.took()
		w.pass(time.Minute)
		if n := len(w.kernel.took()); n < 2 || n > 8 {
			t.Errorf("%d attempts in a minute, want a few with pauses that grow", n)
		}
		if n := w.kernel.looked(); n != 0 {
			t.Errorf("looked %d times at what is known to be broken", n)
		}
		if n := gaugeValue(t, w.metrics, "proxyd_repairs_total"); n != 1 {
			t.Errorf("proxyd_repairs_total %v, want 1", n)
		}
		w.kernel.failing(nil)
		w.pass(2 * maxPause)
		if !w.kernel.stands() {
			t.Error("not repaired once the kernel takes rules")
		}
	})
}
