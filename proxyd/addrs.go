package proxyd

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/proxyd/node"
)

const (
	// addrQuiet is how long addresses must have stayed the same to be taken
	// in: they come and go in bursts.
	addrQuiet = 100 * time.Millisecond
	// addrPeriod is how often they are looked at without being told to, and
	// how soon a watch that ended begins again.
	addrPeriod = 30 * time.Second
)

// addrWatch keeps the inbox told of the node's addresses.
type addrWatch struct {
	inbox *inbox
	// list is node.Addrs, watch is node.Watch.
	list   func() ([]netip.Addr, error)
	watch  func(ctx context.Context, changed func()) error
	logger *slog.Logger
	last   []netip.Addr
}

// newAddrWatch returns an addrWatch that has looked once.
func newAddrWatch(b *inbox, logger *slog.Logger) (*addrWatch, error) {
	w := &addrWatch{inbox: b, list: node.Addrs, watch: node.Watch, logger: logger}
	addrs, err := w.list()
	if err != nil {
		return nil, err
	}
	w.last = addrs
	b.move(addrs)
	return w, nil
}

// run looks again whenever the kernel says that something changed, and now
// and then, until ctx ends.
func (w *addrWatch) run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error { return w.follow(ctx, changed) })
	tasks.Go(func() error { return w.collect(ctx, changed) })
	return tasks.Wait()
}

// follow watches, and begins again after an error.
func (w *addrWatch) follow(ctx context.Context, changed chan<- struct{}) error {
	for {
		err := w.watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
		if ctx.Err() == nil {
			w.logger.Warn("not told of address changes; looking now and then", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(addrPeriod):
		}
	}
}

// collect looks once things are quiet.
func (w *addrWatch) collect(ctx context.Context, changed <-chan struct{}) error {
	period := time.NewTicker(addrPeriod)
	defer period.Stop()
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			quiet.Reset(addrQuiet)
		case <-period.C:
			w.look()
		case <-quiet.C:
			w.look()
		}
	}
}

// look passes the addresses on if they differ from the last ones.
func (w *addrWatch) look() {
	addrs, err := w.list()
	if err != nil {
		w.logger.Warn("can't tell the node's addresses; the last ones hold", "err", err)
		return
	}
	if !slices.Equal(addrs, w.last) {
		w.last = addrs
		w.logger.Info("the node's addresses changed", "addresses", addrs)
		w.inbox.move(addrs)
	}
}
