package proxyd

import (
	"sync"
	"sync/atomic"
)

// largeSync is of how many rules a full sync is worth cleaning up after: to
// compare all takes several times the memory that is needed from then on.
const largeSync = 2000

// startGC is the garbage collector's target, in percent, until all rules stand
// for the first time. Until then nearly all that is allocated is garbage soon,
// and a start at 10,000 services takes 5 to 17 % less than with the usual 100
// (make bench-dataplane, -only daemon). What that takes is given back at once.
const startGC = 300

// memory decides what memory is for: for speed until all rules stand, and to be
// given back to the operating system after that, and after each large sync.
type memory struct {
	free func() // debug.FreeOSMemory, which takes a tenth of a second
	// target sets the garbage collector's, and returns what it was; nil where
	// that is to stay.
	target func(percent int) int
	usual  int // what it was
	busy   atomic.Bool
	tasks  sync.WaitGroup
}

// begin is to be called before anything is read.
func (m *memory) begin() {
	if m.target != nil {
		m.usual = m.target(startGC)
	}
}

// tidy gives memory back after the first full sync, and each one of so many
// rules. It returns at once, so that no change waits; where that still goes on it
// does nothing.
func (m *memory) tidy(rules int) {
	worth := rules >= largeSync
	if m.target != nil {
		m.target(m.usual)
		m.target, worth = nil, true
	}
	if m.free == nil || !worth || !m.busy.CompareAndSwap(false, true) {
		return
	}
	m.tasks.Go(func() {
		defer m.busy.Store(false)
		m.free()
	})
}

// wait returns when nothing goes on any more.
func (m *memory) wait() { m.tasks.Wait() }
