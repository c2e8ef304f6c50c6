package watch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/registry"
)

// listing is all of a registry at one revision.
type listing struct {
	history history
	content []registry.Object
}

func (l *listing) objects() iter.Seq[registry.Object] { return slices.Values(l.content) }

// list reads all ranges at one revision, in pages. The next page is fetched
// while one is decoded.
func (w *Watcher) list(ctx context.Context) (*listing, error) {
	g, ctx := errgroup.WithContext(ctx)
	pages := make(chan *clientv3.GetResponse, 1)
	l := &listing{}
	g.Go(func() error {
		defer close(pages)
		return w.fetch(ctx, l, pages)
	})
	there := map[registry.Ref]bool{}
	for page := range pages {
		l.content = w.decode(l.content, page.Kvs, there)
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	w.decoder.forget(func(r registry.Ref) bool { return there[r] })
	return l, nil
}

// decode appends what the pairs hold. In place of a value that can't be read
// stands the last good object of its key, if there is one; those keys are
// noted in undecodable.
func (w *Watcher) decode(to []registry.Object, kvs []*mvccpb.KeyValue, undecodable map[registry.Ref]bool) []registry.Object {
	for _, kv := range kvs {
		r, ok := w.decoder.ref(kv)
		if !ok {
			continue
		}
		o := w.decoder.object(r, kv)
		if o == nil {
			undecodable[r] = true
			o = w.lastGood(r)
		}
		if o != nil {
			to = append(to, o)
		}
	}
	return to
}

// lastGood returns the object of the latest snapshot, or nil.
func (w *Watcher) lastGood(r registry.Ref) registry.Object {
	if s := w.snapshot.Load(); s != nil {
		return s.Object(r)
	}
	return nil
}

// fetch sends all pages of all ranges. The first page says at which revision
// the others are read.
func (w *Watcher) fetch(ctx context.Context, l *listing, pages chan<- *clientv3.GetResponse) error {
	for _, r := range w.ranges {
		for more := true; more; {
			page, err := w.page(ctx, r, l.history.revision)
			if err != nil {
				return fmt.Errorf("list %s: %w", r.from, err)
			}
			if l.history == (history{}) {
				l.history = historyOf(page.Header)
			}
			if page.Header.ClusterId != l.history.cluster {
				return &otherClusterError{l.history.cluster, page.Header.ClusterId}
			}
			if more = page.More && len(page.Kvs) > 0; more {
				r.from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
			}
			select {
			case pages <- page:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// pageAttempts is how often a page is asked for before the list fails. The
// members take turns, so that one which hangs costs only time.
const pageAttempts = 3

// page reads one page of a range, at a revision or at the latest (0). The
// members agree on it first, so that it is never an old one.
func (w *Watcher) page(ctx context.Context, r keyRange, revision int64) (*clientv3.GetResponse, error) {
	patience := w.timing.page
	for attempt := 1; ; attempt++ {
		attemptCtx, cancel := context.WithTimeout(ctx, patience)
		page, err := w.client.Get(attemptCtx, r.from,
			clientv3.WithRange(r.to), clientv3.WithLimit(w.timing.pageSize), clientv3.WithRev(revision))
		cancel()
		if err == nil {
			w.status.answered()
			return page, nil
		}
		if ctx.Err() != nil || attempt == pageAttempts || !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		patience *= 2
	}
}
