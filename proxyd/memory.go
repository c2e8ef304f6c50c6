package proxyd

import (
	"sync"
	"sync/atomic"
)

// largeSync is of how many rules a full sync is worth cleaning up after: to
// compare all takes several times the memory that is needed from then on.
const largeSync = 2000

// memory gives what large syncs took back to the operating system.
type memory struct {
	free  func() // debug.FreeOSMemory, which takes a tenth of a second
	busy  atomic.Bool
	tasks sync.WaitGroup
}

// tidy gives memory back after a full sync of so many rules. It returns at
// once, so that no change waits; where that still goes on it does nothing.
func (m *memory) tidy(rules int) {
	if m.free == nil || rules < largeSync || !m.busy.CompareAndSwap(false, true) {
		return
	}
	m.tasks.Go(func() {
		defer m.busy.Store(false)
		m.free()
	})
}

// wait returns when nothing goes on any more.
func (m *memory) wait() { m.tasks.Wait() }
