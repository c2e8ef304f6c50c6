package proxyd

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// inbox collects what happened while the sync loop was busy. The watcher and
// the address watch put in, the loop takes out.
type inbox struct {
	wake chan struct{} // has room for one: something waits

	mu sync.Mutex
	news
	// since is when the oldest change arrived that nobody took yet, taken
	// when the oldest arrived that was taken and is not done yet; zero where
	// there is none.
	since, taken time.Time
}

// news is what the sync loop takes out of its inbox.
type news struct {
	snapshot *registry.Snapshot // the latest; nil where none came
	services map[registry.Key]struct{}
	networks bool // the portal networks may have changed
	addrs    []netip.Addr
	moved    bool // addrs has the node's addresses anew
	pools    rules.Pools
	pooled   bool // pools has the address pools anew
	// given are the addresses that are other services' since.
	given map[netip.Addr]struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds a snapshot and what it changed. It never blocks.
func (b *inbox) put(s *registry.Snapshot, c *registry.Changes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshot = s
	b.networks = b.networks || len(c.ServiceCIDRs) > 0
	if b.services == nil {
		b.services = map[registry.Key]struct{}{}
	}
	for _, k := range c.Services {
		b.services[k] = struct{}{}
	}
	b.arrived()
}

// move adds the node's addresses, sorted.
func (b *inbox) move(addrs []netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs, b.moved = addrs, true
	b.arrived()
}

// pool adds the address pools, and which of their addresses are other services'
// since.
func (b *inbox) pool(p rules.Pools, moved []netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pools, b.pooled = p, true
	if b.given == nil {
		b.given = map[netip.Addr]struct{}{}
	}
	for _, a := range moved {
		b.given[a] = struct{}{}
	}
	b.arrived()
}

func (b *inbox) arrived() {
	b.since = cmp.Or(b.since, time.Now())
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox.
func (b *inbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news
	b.news = news{}
	b.taken = cmp.Or(b.taken, b.since)
	b.since = time.Time{}
	return n
}

// done says that all that was taken stands in the kernel now.
func (b *inbox) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = time.Time{}
}

// waiting returns when the oldest change arrived that the kernel lacks, and
// how many services await being looked at.
func (b *inbox) waiting() (since time.Time, services int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.taken, b.since), len(b.services)
}

// touch adds services that are to be looked at.
func (n *news) touch(services map[registry.Key]struct{}) {
	if n.services == nil {
		n.services = map[registry.Key]struct{}{}
	}
	maps.Copy(n.services, services)
}

// changes returns the services of the news as the registry names them.
func (n *news) changes() *registry.Changes {
	c := &registry.Changes{}
	for k := range n.services {
		c.Services = append(c.Services, k)
	}
	slices.SortFunc(c.Services, registry.Key.Compare)
	return c
}
