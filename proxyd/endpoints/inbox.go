package endpoints

import (
	"sync"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// news is what changed in the registry since it was last looked at.
type news struct {
	snapshot              *registry.Snapshot // the latest
	services, pods, nodes map[registry.Key]struct{}
	since                 time.Time // when the first change came; zero where a list brought it
}

// inbox takes news from the watcher, which waits for nobody.
type inbox struct {
	now  func() time.Time
	wake chan struct{} // holds one where there are news

	mu     sync.Mutex
	listed bool // what comes from now on is news
	news   news
}

func newInbox(now func() time.Time) *inbox {
	return &inbox{now: now, wake: make(chan struct{}, 1)}
}

// put adds changes, and the snapshot after them.
func (b *inbox) put(s *registry.Snapshot, c *registry.Changes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := &b.news
	if n.services == nil {
		n.services, n.pods, n.nodes = map[registry.Key]struct{}{}, map[registry.Key]struct{}{}, map[registry.Key]struct{}{}
	}
	if b.listed && n.since.IsZero() {
		n.since = b.now()
	}
	b.listed, n.snapshot = true, s
	for set, keys := range map[*map[registry.Key]struct{}][]registry.Key{&n.services: c.Services, &n.pods: c.Pods, &n.nodes: c.Nodes} {
		for _, k := range keys {
			(*set)[k] = struct{}{}
		}
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns all news since the last time.
func (b *inbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news
	b.news = news{}
	return n
}
