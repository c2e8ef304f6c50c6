package proxyd

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry/codec"
)

// poolPatience is how long the first sync waits for the address pools. They are
// read at the same time as the registry, and are few.
const poolPatience = 3 * time.Second

// poolWatch keeps the inbox told of the registry's address pools: the addresses
// of load balancers that are from them need not be in the public ranges.
type poolWatch struct {
	client *clientv3.Client
	layout codec.Layout
	inbox  *inbox
	// file has the pools as they were last known; empty for none.
	file   string
	logger *slog.Logger

	last  []netip.Prefix
	known bool
}

// newPoolWatch returns a poolWatch that knows what an earlier process knew.
func newPoolWatch(c *Config, client *clientv3.Client, b *inbox) *poolWatch {
	layout, _ := codec.NewLayout(c.RegistryPrefix) // which was read before
	w := &poolWatch{client: client, layout: layout, inbox: b, logger: c.logger()}
	if c.Snapshot != "" {
		w.file = c.Snapshot + ".pools"
	}
	w.load()
	return w
}

// load takes in what an earlier process knew.
func (w *poolWatch) load() {
	if w.file == "" {
		return
	}
	text, err := os.ReadFile(w.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var ranges []netip.Prefix
	if err == nil {
		err = json.Unmarshal(text, &ranges)
	}
	if err != nil {
		w.logger.Error("the saved address pools are ignored", "error", err)
		return
	}
	w.set(ranges)
}

// run follows the pools until ctx ends.
func (w *poolWatch) run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	heard := make(chan []netip.Prefix)
	running.Go(func() {
		pool.FollowPools(ctx, w.client, w.layout, w.logger, func(pools []*pool.Pool) {
			select {
			case heard <- prefixes(pools):
			case <-ctx.Done():
			}
		})
	})
	patience := time.NewTimer(poolPatience)
	defer patience.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ranges := <-heard:
			if !w.known || !slices.Equal(ranges, w.last) {
				w.set(ranges)
				w.save()
			}
		case <-patience.C:
			if !w.known {
				w.inbox.pool(nil)
			}
		}
	}
}

func (w *poolWatch) set(ranges []netip.Prefix) {
	w.last, w.known = ranges, true
	w.inbox.pool(ranges)
}

// save keeps the pools for the next process.
func (w *poolWatch) save() {
	if w.file == "" {
		return
	}
	text, err := json.Marshal(w.last)
	if err == nil {
		err = os.WriteFile(w.file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(w.file+".new", w.file)
	}
	if err != nil {
		w.logger.Error("the address pools can't be saved", "error", err)
	}
}

// readPools reads the networks of the address pools once.
func readPools(ctx context.Context, c *Config, client *clientv3.Client) ([]netip.Prefix, error) {
	layout, err := codec.NewLayout(c.RegistryPrefix)
	if err != nil {
		return nil, settingError("registry-prefix", err)
	}
	b, _, err := pool.List(ctx, client, layout, c.logger())
	if err != nil {
		return nil, err
	}
	return prefixes(b.Pools()), nil
}

// prefixes returns the networks that pools are together, sorted.
func prefixes(pools []*pool.Pool) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range pools {
		for _, r := range p.Ranges {
			all = append(all, r.Prefixes()...)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}
