package proxyd

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry/codec"
)

const (
	// poolPatience is how long the first sync waits for the address pools. They
	// are read at the same time as the registry, and are few.
	poolPatience = 3 * time.Second
	// poolPause is how long what is heard of pools waits for more to be saved
	// with it.
	poolPause = time.Second
)

// poolWatch keeps the inbox told of the registry's address pools, and of who
// holds their addresses: those need not be in the public ranges.
type poolWatch struct {
	client *clientv3.Client
	layout codec.Layout
	inbox  *inbox
	// file has what was known last; empty for none.
	file   string
	logger *slog.Logger

	book  *pool.Book
	last  rules.Pools
	known bool
}

// newPoolWatch returns a poolWatch that knows what an earlier process knew.
func newPoolWatch(c *Config, client *clientv3.Client, b *inbox) *poolWatch {
	layout, _ := codec.NewLayout(c.RegistryPrefix) // which was read before
	w := &poolWatch{client: client, layout: layout, inbox: b, book: pool.NewBook(), logger: c.logger()}
	if c.Snapshot != "" {
		w.file = c.Snapshot + ".pools"
	}
	w.load()
	return w
}

// run follows the pools until ctx ends.
func (w *poolWatch) run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	heard := make(chan pool.Update)
	running.Go(func() {
		pool.Follow(ctx, w.client, w.layout, w.logger, func(u pool.Update) {
			select {
			case heard <- u:
			case <-ctx.Done():
			}
		})
	})
	return w.take(ctx, heard)
}

// take takes in what is heard until ctx ends.
func (w *poolWatch) take(ctx context.Context, heard <-chan pool.Update) error {
	patience := time.NewTimer(poolPatience)
	defer patience.Stop()
	var due <-chan time.Time // nil while nothing is to be saved
	for {
		select {
		case <-ctx.Done():
			if due != nil {
				w.save()
			}
			return nil
		case u := <-heard:
			if w.hear(u) && due == nil {
				due = time.After(poolPause)
			}
		case <-due:
			due = nil
			w.save()
		case <-patience.C:
			if !w.known {
				w.inbox.pool(w.last, nil)
			}
		}
	}
}

// hear takes news in, and reports whether there was anything new.
func (w *poolWatch) hear(u pool.Update) bool {
	w.book.Apply(u)
	var moved []netip.Addr
	if u.Anew || len(u.Pools) > 0 {
		next := w.book.Trust()
		moved = differing(&w.last, &next)
		if w.known && len(moved) == 0 && next.SameRanges(&w.last) {
			return false
		}
		w.last = next
	} else if moved = w.book.Entrust(&w.last, slices.Collect(maps.Keys(u.Claims))); len(moved) == 0 {
		return false
	}
	w.known = true
	w.inbox.pool(w.last, moved)
	return true
}

// differing returns the addresses that one has with other holders than the
// other.
func differing(old, next *rules.Pools) []netip.Addr {
	var moved []netip.Addr
	for a, services := range next.Holders.All() {
		if had, _ := old.Holders.Get(a); !slices.Equal(had, services) {
			moved = append(moved, a)
		}
	}
	for a := range old.Holders.All() {
		if _, has := next.Holders.Get(a); !has {
			moved = append(moved, a)
		}
	}
	return moved
}

// readPools reads the address pools once, and who holds what.
func readPools(ctx context.Context, c *Config, client *clientv3.Client) (rules.Pools, error) {
	layout, err := codec.NewLayout(c.RegistryPrefix)
	if err != nil {
		return rules.Pools{}, settingError("registry-prefix", err)
	}
	b, _, err := pool.List(ctx, client, layout, c.logger())
	if err != nil {
		return rules.Pools{}, err
	}
	return b.Trust(), nil
}
