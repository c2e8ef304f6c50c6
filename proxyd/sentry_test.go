package proxyd

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// inAlarmedWorld is inWorld with a kernel that tells of changes.
func inAlarmedWorld(t *testing.T, test func(w *world, k *alarmed)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := &alarmed{fakeKernel: w.kernel}
		w.loop.kernel, w.sentry = k, newSentry(k)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx) }()
		w.began()
		w.pass(2 * time.Second)
		k.asked()
		test(w, k)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

// Nobody looks at a kernel that tells of changes, until it does; then what
// others destroyed is repaired as soon as by looking.
func TestNobodyLooksWhileNothingChanges(t *testing.T) {
	inAlarmedWorld(t, func(w *world, k *alarmed) {
		for range 3 {
			w.pass(time.Minute)
			if n := k.asked(); n != 0 {
				t.Errorf("asked %d times for the generation, while nothing changed", n)
			}
			w.want("nothing changed")
			k.foreign(true)
			k.alarm()
			w.pass(time.Second)
			if calls := k.took(); len(calls) != 1 || !calls[0].Full {
				t.Fatalf("syncs %v, want a full one within a second", calls)
			}
			w.pass(2 * time.Second)
			k.asked()
		}
	})
}

// What changes between the last look and the wait is seen as well.
func TestNothingIsMissedBeforeTheWait(t *testing.T) {
	inAlarmedWorld(t, func(w *world, k *alarmed) {
		k.alarm() // of nothing: another look, and another wait
		for range 2 {
			w.sentry.open = func() (r io.ReadCloser, err error) {
				k.foreign(true) // nobody tells: it was before
				w.sentry.open = k.Changes
				return k.Changes()
			}
			k.alarm()
			w.pass(2 * time.Second)
			if calls := k.took(); len(calls) != 1 || !calls[0].Full {
				t.Errorf("syncs %v, want a full one", calls)
			}
		}
	})
}

// While all is written nobody waits: that would make it expensive.
func TestNobodyWaitsInFullSyncs(t *testing.T) {
	inAlarmedWorld(t, func(w *world, k *alarmed) {
		waited := false
		k.failing(func() error { waited = waited || w.sentry.socket != nil; return nil })
		w.pass(2 * fullPeriod)
		if calls := k.took(); len(calls) == 0 || waited {
			t.Errorf("syncs %v, with somebody waiting: %t", calls, waited)
		}
	})
}
