package watch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/registry"
)

// listing is all of a registry at one revision.
type listing struct {
	history history

	mu       sync.Mutex
	pages    [][]registry.Record
	failures []*failure
}

func (l *listing) records() iter.Seq[registry.Record] {
	return func(yield func(registry.Record) bool) {
		for _, page := range l.pages {
			for _, r := range page {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (l *listing) len() int {
	n := 0
	for _, page := range l.pages {
		n += len(page)
	}
	return n
}

// list reads all objects at one revision, in pages: those of all kinds at the
// same time, and on all cores. Only the compact records of what was read stay.
func (w *Watcher) list(ctx context.Context) (*listing, error) {
	h, err := w.position(ctx)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	l := &listing{history: h}
	pages := make(chan []*mvccpb.KeyValue)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pages)
		return w.fetch(ctx, h, pages)
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for page := range pages {
				l.take(w.decoder, page)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	w.decoder.failed(l.failures)
	l.pages = append(l.pages, w.lastGood(l.failures))
	return l, nil
}

// position asks where in its life etcd is. The members agree on it first, so
// that it is never an old answer.
func (w *Watcher) position(ctx context.Context) (history, error) {
	first := w.ranges[0].from
	page, err := w.page(ctx, keyRange{first, first + "\x00"}, 0, 1)
	if err != nil {
		return history{}, fmt.Errorf("ask etcd for its revision: %w", err)
	}
	return historyOf(page.Header), nil
}

// take decodes a page.
func (l *listing) take(d *decoder, page []*mvccpb.KeyValue) {
	records := make([]registry.Record, 0, len(page))
	var failures []*failure
	for _, kv := range page {
		r, ok := d.ref(kv)
		if !ok {
			continue
		}
		if o, err := d.object(r, kv); err != nil {
			failures = append(failures, &failure{r, kv, err})
		} else {
			records = append(records, registry.Pack(o))
		}
	}
	registry.Together(records)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages = append(l.pages, records)
	l.failures = append(l.failures, failures...)
}

// lastGood returns what the latest snapshot has in place of values that can't
// be read.
func (w *Watcher) lastGood(failures []*failure) []registry.Record {
	var records []registry.Record
	if s := w.snapshot.Load(); s != nil {
		for _, f := range failures {
			if record, ok := s.Record(f.ref); ok {
				records = append(records, record)
			}
		}
	}
	return records
}

// fetch sends the pages of all kinds, as they are at the revision of h.
func (w *Watcher) fetch(ctx context.Context, h history, pages chan<- []*mvccpb.KeyValue) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range w.lists {
		g.Go(func() error {
			if err := w.fetchRange(ctx, r, h, pages); err != nil {
				return fmt.Errorf("list %s: %w", r.from, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// largestPage is how many times larger than the first page another one gets.
const largestPage = 10

// fetchRange sends the pages of one range. The next one is fetched while
// others decode. Pages grow with what there is, since for each of them etcd
// goes over all the keys that are left, to count them.
func (w *Watcher) fetchRange(ctx context.Context, r keyRange, h history, pages chan<- []*mvccpb.KeyValue) error {
	read, size := int64(0), w.timing.pageSize
	for more := true; more; {
		page, err := w.page(ctx, r, h.revision, min(max(size, read/4), largestPage*size))
		if err != nil {
			return err
		}
		if page.Header.ClusterId != h.cluster {
			return &otherClusterError{h.cluster, page.Header.ClusterId}
		}
		read += int64(len(page.Kvs))
		if more = page.More && len(page.Kvs) > 0; more {
			r.from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		}
		select {
		case pages <- page.Kvs:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pageAttempts is how often a page is asked for before the list fails. The
// members take turns, so that one which hangs costs only time.
const pageAttempts = 3

// page reads one page of a range, at a revision or at the latest (0). The
// members agree on it first, so that it is never an old one.
func (w *Watcher) page(ctx context.Context, r keyRange, revision, limit int64) (*clientv3.GetResponse, error) {
	patience := w.timing.page
	for attempt := 1; ; attempt++ {
		attemptCtx, cancel := context.WithTimeout(ctx, patience)
		page, err := w.client.Get(attemptCtx, r.from,
			clientv3.WithRange(r.to), clientv3.WithLimit(limit), clientv3.WithRev(revision))
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
