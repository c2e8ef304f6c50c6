package proxyd

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// many returns that many services.
func many(n int) []registry.Change {
	var all []registry.Change
	for i := range n {
		all = append(all, service(fmt.Sprint("service-", i), fmt.Sprintf("10.0.%d.%d", i/256, i%256), "TCP"))
	}
	return all
}

// Memory is given back after a large full sync, and after no other one; changes
// don't wait for that.
func TestMemoryIsGivenBack(t *testing.T) {
	inWorld(t, func(w *world) {
		var given atomic.Int32
		w.memory.free = func() {
			given.Add(1)
			time.Sleep(time.Minute)
		}
		w.write(service("first", "10.1.0.1", "TCP"))
		w.pass(time.Second)
		w.kernel.foreign(true)
		w.pass(time.Second)
		if n := given.Load(); n != 0 {
			t.Errorf("memory given back %d times after small syncs", n)
		}
		w.write(many(largeSync)...)
		w.pass(time.Second)
		if n := given.Load(); n != 0 {
			t.Errorf("memory given back %d times after a change", n)
		}
		w.kernel.foreign(true)
		w.pass(time.Second)
		w.kernel.foreign(true)
		w.pass(time.Second)
		if n := given.Load(); n != 1 {
			t.Errorf("memory given back %d times at once, want once", n)
		}
		w.kernel.took()
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(minPeriod)
		if calls := w.kernel.took(); len(calls) != 1 {
			t.Errorf("syncs %v, want one while memory is given back", calls)
		}
		w.pass(time.Minute)
		w.kernel.foreign(true)
		w.pass(time.Second)
		if n := given.Load(); n != 2 {
			t.Errorf("memory given back %d times, want once more with the next full sync", n)
		}
	})
}

// The loop ends when nothing of it goes on any more.
func TestMemoryIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		m := memory{free: func() { time.Sleep(time.Second); ended = true }}
		m.tidy(largeSync)
		if m.wait(); !ended {
			t.Error("wait returned while memory was given back")
		}
	})
}

// The garbage collector's target is another one until all rules stand, and
// never after that.
func TestGarbageWaitsUntilAllStands(t *testing.T) {
	inWorld(t, func(w *world) {
		target := 100
		w.memory.target = func(percent int) int {
			was := target
			target = percent
			return was
		}
		given := 0
		w.memory.free = func() { given++ }
		w.memory.begin()
		w.kernel.failing(func() error { return errors.New("the kernel is busy") })
		w.write(service("first", "10.1.0.1", "TCP"))
		w.pass(time.Minute)
		if target != startGC {
			t.Errorf("target %d before all rules stand, want %d", target, startGC)
		}
		w.kernel.failing(nil)
		w.pass(2 * maxPause)
		if target != 100 || given != 1 {
			t.Errorf("target %d, memory given back %d times when all rules stand; want 100, once", target, given)
		}
		target = 50
		w.kernel.foreign(true)
		w.pass(time.Second)
		if target != 50 {
			t.Errorf("target %d after another full sync, want it left alone", target)
		}
	})
}
