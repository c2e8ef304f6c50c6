// Package watch keeps a registry.Snapshot in step with what etcd stores.
//
// A Watcher lists the registry at one revision, then follows it. When it loses
// track, because etcd was away, compacted the history, or was restored from a
// backup, it lists again and swaps the new snapshot in at once; until then the
// last one stays. What can't be decoded never replaces what could. With a file
// to keep the last snapshot in, a restart needs no etcd.
package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Config says what to watch.
type Config struct {
	// Client reaches etcd 3.4 or later; see package etcd. The caller closes
	// it, after Run has returned.
	Client *clientv3.Client
	Layout codec.Layout
	// Kinds are what is watched; nil means all that a Snapshot holds.
	Kinds []registry.Kind
	// Node, if not empty, is the name of the only Node to be watched; of the
	// others not even the keys are read.
	Node string
	// Trim, if not nil, takes out of an object what its user has no need of, to
	// save memory. Several goroutines call it at once. What a snapshot file
	// holds was trimmed by whoever saved it.
	Trim func(registry.Object)
	// SnapshotFile is where the last snapshot is kept; empty means nowhere.
	SnapshotFile string
	// Notify, if not nil, is called each time the snapshot was swapped, in
	// order and from one goroutine, with the new snapshot and what makes it
	// differ from the one before, or from an empty one. There may be no
	// difference. No further event is taken in until it returns.
	Notify func(*registry.Snapshot, *registry.Changes)
	// Applied, if not nil, is called right after a Notify for changes that
	// etcd sent one by one: with the snapshot before them, the changes, and
	// the time at which they had arrived in this process. What a list brings
	// is of no known age, and not among them.
	Applied func(before *registry.Snapshot, changes []registry.Change, received time.Time)
	// Logger gets what an operator must know; nil means slog.Default.
	Logger *slog.Logger
}

// Watcher holds the latest snapshot of a registry.
type Watcher struct {
	client  *clientv3.Client
	lists   []keyRange // what is listed, a range for each kind
	ranges  []keyRange // what is watched: those, joined
	decoder *decoder
	disk    *disk // nil without a file
	notify  func(*registry.Snapshot, *registry.Changes)
	applied func(*registry.Snapshot, []registry.Change, time.Time)
	logger  *slog.Logger

	status   *tracker
	timing   timing
	started  atomic.Bool
	snapshot atomic.Pointer[registry.Snapshot]
	ready    chan struct{}
}

// New returns a Watcher that does nothing until Run. It contacts nobody.
func New(c Config) (*Watcher, error) {
	if c.Client == nil {
		return nil, errors.New("watch: Client is missing")
	}
	if c.Layout == (codec.Layout{}) {
		return nil, errors.New("watch: Layout is missing")
	}
	if c.Kinds == nil {
		c.Kinds = snapshotKinds
	}
	if err := validateKinds(c.Kinds); err != nil {
		return nil, err
	}
	if c.Trim == nil {
		c.Trim = func(registry.Object) {}
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Notify == nil {
		c.Notify = func(*registry.Snapshot, *registry.Changes) {}
	}
	if c.Applied == nil {
		c.Applied = func(*registry.Snapshot, []registry.Change, time.Time) {}
	}
	w := &Watcher{
		client:  c.Client,
		lists:   listsOf(c.Layout, c.Kinds, c.Node),
		ranges:  rangesOf(c.Layout, c.Kinds, c.Node),
		notify:  c.Notify,
		applied: c.Applied,
		logger:  c.Logger,
		status:  newTracker(),
		timing:  defaultTiming,
		ready:   make(chan struct{}),
	}
	w.decoder = newDecoder(&c, w.status)
	if c.SnapshotFile != "" {
		w.disk = newDisk(c.SnapshotFile, c.Layout.Prefix(), c.Logger, w.status)
	}
	return w, nil
}

// snapshotKinds are the kinds that a Snapshot holds.
var snapshotKinds = []registry.Kind{
	registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindPod,
	registry.KindNode, registry.KindNamespace, registry.KindServiceCIDR,
}

// Run keeps the snapshot current until ctx ends, and returns nil then. It
// waits for everything it started. It can be called once.
func (w *Watcher) Run(ctx context.Context) error {
	if w.started.Swap(true) {
		return errors.New("watch: Run was called before")
	}
	if w.disk == nil {
		w.follow(ctx)
		return nil
	}
	if s, err := w.disk.load(); err != nil {
		w.status.loadFailed()
		w.logger.Error("the saved snapshot is ignored", "error", err)
	} else if s != nil {
		w.restore(s)
	}
	saving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var saver sync.WaitGroup
	saver.Go(func() { w.disk.run(saving) })
	w.follow(ctx)
	stop()
	saver.Wait()
	return nil
}

// Snapshot returns the latest snapshot, or nil as long as nothing is known.
func (w *Watcher) Snapshot() *registry.Snapshot { return w.snapshot.Load() }

// Ready is closed once Snapshot is not nil.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Status says how the Watcher is doing, at this moment.
func (w *Watcher) Status() Status { return w.status.get() }

// restore takes the snapshot that an earlier process saved.
func (w *Watcher) restore(s *saved) {
	snapshot, changes := (&registry.Snapshot{}).Replace(s.Revision, slices.Values(s.records))
	w.status.restored(s)
	w.swap(snapshot, changes)
	w.logger.Info("serving the saved snapshot until etcd answers",
		"file", w.disk.file, "revision", s.Revision, "services", snapshot.Count(registry.KindService))
}

// keep has a snapshot saved before long.
func (w *Watcher) keep(cluster uint64, s *registry.Snapshot) {
	if w.disk != nil {
		w.disk.offer(cluster, s)
	}
}

// swap makes a snapshot the latest one, and tells everybody.
func (w *Watcher) swap(s *registry.Snapshot, changes *registry.Changes) {
	if w.snapshot.Swap(s) == nil {
		defer close(w.ready)
	}
	w.status.swapped(s)
	w.notify(s, changes)
}

func validateKinds(kinds []registry.Kind) error {
	if len(kinds) == 0 {
		return errors.New("watch: Kinds is empty: want nil or at least one")
	}
	for _, k := range kinds {
		if !slices.Contains(snapshotKinds, k) {
			return fmt.Errorf("watch: Kinds: %v: a snapshot doesn't hold this kind", k)
		}
	}
	return nil
}
