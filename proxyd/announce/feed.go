package announce

import (
	"sync"

	"github.com/svcreg/svcreg/registry"
)

// Feed brings the registry from whoever follows it. The zero Feed is ready for
// use, by one Run.
type Feed struct {
	once sync.Once
	wake chan struct{} // has room for one: something waits

	mu       sync.Mutex
	snapshot *registry.Snapshot
	changed  map[registry.Key]struct{}
}

// Put takes the latest snapshot, and what makes it differ from the one before,
// as watch.Config.Notify has them. It never blocks. The snapshot needs services
// and their endpoints; of the endpoints' nodes only this one's name matters.
func (f *Feed) Put(s *registry.Snapshot, c *registry.Changes) {
	f.mu.Lock()
	f.snapshot = s
	if f.changed == nil {
		f.changed = map[registry.Key]struct{}{}
	}
	for _, k := range c.Services {
		f.changed[k] = struct{}{}
	}
	f.mu.Unlock()
	nudge(f.waiting())
}

// take returns the latest snapshot, nil if there is none yet, and what changed
// since the last take.
func (f *Feed) take() (*registry.Snapshot, map[registry.Key]struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := f.changed
	f.changed = nil
	return f.snapshot, changed
}

// waiting returns the channel that has something when a take is worthwhile.
func (f *Feed) waiting() chan struct{} {
	f.once.Do(func() { f.wake = make(chan struct{}, 1) })
	return f.wake
}

// nudge puts something into a channel that has room for one thing.
func nudge(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
