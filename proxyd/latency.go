package proxyd

import (
	"sync"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// latency measures how long changes take until the kernel has them. The watcher
// says when they began, the loop when they are done.
type latency struct {
	started time.Time
	observe func(seconds float64)

	mu      sync.Mutex
	newest  int64   // the revision of the latest snapshot
	pending []begun // in the order of their revisions
	// done is the revision of the snapshot that the loop came to last, and
	// when; programmed says that the kernel was told something.
	done       int64
	doneAt     time.Time
	programmed bool
}

// begun is a change that the kernel may lack.
type begun struct {
	revision int64
	at       time.Time
}

func newLatency(observe func(seconds float64)) *latency {
	return &latency{started: time.Now(), observe: observe}
}

// notify notes the latest snapshot.
func (l *latency) notify(s *registry.Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = s.Revision()
}

// applied notes the changes that made the latest snapshot. The loop may be done
// with it by now.
func (l *latency) applied(before *registry.Snapshot, changes []registry.Change, received time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		switch c.Kind {
		case registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice:
			l.pending = append(l.pending, begun{l.newest, c.Begun(before, l.started, received)})
		}
	}
	l.settle()
}

// finish notes that the kernel has all of a snapshot: programmed says that it
// was told something, otherwise nothing was to be done.
func (l *latency) finish(s *registry.Snapshot, programmed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.doneAt, l.programmed = s.Revision(), time.Now(), programmed
	l.settle()
}

// settle measures the changes that are done.
func (l *latency) settle() {
	n := 0
	for ; n < len(l.pending) && l.pending[n].revision <= l.done; n++ {
		if l.programmed {
			l.observe(l.doneAt.Sub(l.pending[n].at).Seconds())
		}
	}
	l.pending = append(l.pending[:0], l.pending[n:]...)
}
