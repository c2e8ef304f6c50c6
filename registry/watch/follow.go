package watch

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/pause"
)

// timing is how patient a Watcher is.
type timing struct {
	// page bounds one request of a list; each retry has twice as long.
	page time.Duration
	// heartbeat is how often etcd is asked for a sign of life while nothing
	// changes, silence how long it may give none.
	heartbeat, silence time.Duration
	// pauseLeast and pauseMost bound the pause before the next attempt.
	pauseLeast, pauseMost time.Duration
	pageSize              int64
}

var defaultTiming = timing{
	page:       2 * time.Second,
	heartbeat:  time.Second,
	silence:    3 * time.Second,
	pauseLeast: 20 * time.Millisecond,
	pauseMost:  2 * time.Second,
	pageSize:   1000,
}

// follow lists and watches, over and over, until ctx ends.
func (w *Watcher) follow(ctx context.Context) {
	pauses := pause.Growing{Least: w.timing.pauseLeast, Most: w.timing.pauseMost}
	failing, lost := false, false
	for {
		err := w.session(ctx)
		synced := w.status.lost(err, answeredError(err))
		if ctx.Err() != nil {
			return
		}
		if synced {
			failing, lost = false, false
			pauses.Reset()
		}
		_, nowLost := errors.AsType[*lostDataError](err)
		w.logLoss(err, failing && (lost || !nowLost))
		failing, lost = true, lost || nowLost
		if !pauses.Sleep(ctx) {
			return
		}
	}
}

// session lists the registry once and follows it until that breaks. It never
// returns nil.
func (w *Watcher) session(ctx context.Context) error {
	l, err := w.list(ctx)
	if err != nil {
		return err
	}
	if err := w.checkLost(ctx, l); err != nil {
		return err
	}
	w.replace(l)
	var cleaning sync.WaitGroup
	defer cleaning.Wait()
	h := l.history
	if l.len() > largeList {
		cleaning.Go(debug.FreeOSMemory) // which takes a tenth of a second: changes don't wait for it
	}
	return w.watch(ctx, h)
}

// largeList is how many objects make a list worth cleaning up after: reading
// them took several times the memory that they need.
const largeList = 2000

// replace swaps in what was listed.
func (w *Watcher) replace(l *listing) {
	old := w.snapshot.Load()
	if old == nil {
		old = &registry.Snapshot{}
	}
	snapshot, changes := old.Replace(l.history.revision, l.records())
	w.status.listed(l.history.cluster)
	w.swap(snapshot, changes)
	w.keep(l.history.cluster, snapshot)
}

// answeredError reports whether an error is one that a working etcd gives.
func answeredError(err error) bool {
	_, restored := errors.AsType[*restoredError](err)
	_, other := errors.AsType[*otherClusterError](err)
	_, lost := errors.AsType[*lostDataError](err)
	_, rewritten := errors.AsType[*rewrittenError](err)
	return restored || other || lost || rewritten || errors.Is(err, rpctypes.ErrCompacted)
}

// logLoss says that the registry is no longer followed: loudly the first time,
// and when it turns out that etcd has lost its data; then only to those who
// debug.
func (w *Watcher) logLoss(err error, again bool) {
	log := w.logger.Warn
	if again {
		log = w.logger.Debug
	}
	log("lost track of etcd: what is known stays, trying again", "error", err)
}
