package endpoints

import (
	"sync"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// news is what changed in the registry since it was last looked at, and when it
// first did; the time is zero where the first list brought it.
type news struct {
	snapshot              *registry.Snapshot // the latest
	services, pods, nodes map[registry.Key]time.Time
	networks              bool // those of portal IPs, which no pod may have
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
		*n = news{services: map[registry.Key]time.Time{}, pods: map[registry.Key]time.Time{}, nodes: map[registry.Key]time.Time{}}
	}
	var now time.Time
	if b.listed {
		now = b.now()
	}
	b.listed, n.snapshot = true, s
	note(n.services, c.Services, now)
	note(n.pods, c.Pods, now)
	note(n.nodes, c.Nodes, now)
	n.networks = n.networks || len(c.ServiceCIDRs) > 0
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

// note adds keys to those that changed before.
func note(changed map[registry.Key]time.Time, keys []registry.Key, now time.Time) {
	for _, k := range keys {
		if _, again := changed[k]; !again {
			changed[k] = now
		}
	}
}
