package svcreg

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/watch"
)

// kinds are what a stanza needs of a registry.
func (o *options) kinds() []registry.Kind {
	kinds := []registry.Kind{registry.KindService, registry.KindNamespace}
	if !o.endpoints.none {
		kinds = append(kinds, registry.KindEndpoints, registry.KindEndpointSlice)
	}
	if o.pods == podsVerified {
		kinds = append(kinds, registry.KindPod)
	}
	return kinds
}

// follower keeps a stanza's index current from start to stop.
type follower struct {
	options *options
	stanza  *stanza
	where   where

	watcher  *watch.Watcher
	notified bool               // used by the watcher's goroutine only
	cancel   context.CancelFunc // nil until started
	done     chan struct{}
	deadline <-chan time.Time // of the start
	before   *follower        // who was in charge before a reload
	started  time.Time
	// secondaries are told of changes, if the server block transfers zones.
	secondaries *notifier
	// inherited is how current that was which was taken over from it, if it
	// was.
	inherited atomic.Pointer[time.Time]
}

// followers are those of a server block.
type followers []*follower

// start follows the registries, and waits a little for the first snapshots so
// that the server's first answer, or its first after a reload, is a right one.
// If one of them can't be started none is.
func (all followers) start() error {
	for _, f := range all {
		if err := f.start(); err != nil {
			all.stop()
			return err
		}
	}
	for _, f := range all {
		f.wait()
	}
	return nil
}

func (all followers) stop() {
	for _, f := range all {
		f.stop()
	}
}

func (all followers) resume() {
	for _, f := range all {
		f.resume()
	}
}

// start follows the registry until stop.
func (f *follower) start() error {
	client, err := etcd.Connect(f.options.etcd)
	if err != nil {
		return err
	}
	f.watcher, err = watch.New(watch.Config{
		Client:       client,
		Layout:       f.options.layout,
		Kinds:        f.options.kinds(),
		Trim:         f.options.trim,
		SnapshotFile: f.options.snapshotFile,
		Notify:       f.notify,
		Applied:      f.measure,
		Logger:       slog.New(&logHandler{}),
	})
	if err != nil {
		_ = client.Close()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done, f.started = cancel, make(chan struct{}), time.Now()
	go func() {
		defer close(f.done)
		defer func() { _ = client.Close() }()
		if err := f.watcher.Run(ctx); err != nil {
			log.Errorf("the registry is no longer followed: %v", err)
		}
	}()
	f.secondaries.start(ctx)
	f.deadline = time.After(f.options.startupTimeout)
	f.before = running.add(f)
	return nil
}

// notify takes a new snapshot in. The first one is indexed as a whole: what it
// differs from is not what was inherited.
func (f *follower) notify(s *registry.Snapshot, changes *registry.Changes) {
	if !f.notified {
		f.notified, changes = true, nil
	}
	f.stanza.update(s, changes)
	f.secondaries.wake()
}

// wait waits until the registry is known, but no longer than a start may take.
// Then, on a reload, it takes over what the instance before knows.
func (f *follower) wait() {
	before := f.before
	f.before = nil
	select {
	case <-f.watcher.Ready():
	case <-f.deadline:
		if !f.inherit(before) {
			log.Warningf("etcd has not answered in %v, and there is no saved snapshot: answering SERVFAIL until it does",
				f.options.startupTimeout)
		}
	}
}

// inherit answers from the snapshot of another instance, if there is one that
// has any. It follows the same registry: its metrics have the same labels.
func (f *follower) inherit(before *follower) bool {
	if before == nil {
		return false
	}
	known := before.stanza.index.Load()
	if known == nil {
		return false
	}
	current := before.current(before.watcher.Status())
	f.inherited.Store(&current)
	f.stanza.index.CompareAndSwap(nil, f.stanza.next(nil, known.snapshot, nil))
	log.Warningf("etcd has not answered in %v: answering from what was known before the reload", f.options.startupTimeout)
	return true
}

// stop ends what start began, and waits for it. It does nothing before start,
// nor a second time.
func (f *follower) stop() {
	if f.cancel == nil {
		return
	}
	running.remove(f)
	f.cancel()
	<-f.done
	f.secondaries.wait()
	f.cancel = nil
}

// resume puts the instance back in charge after a reload that failed, and ends
// the one that was to replace it. It never stopped following the registry.
func (f *follower) resume() {
	if failed := running.add(f); failed != nil && failed != f {
		failed.stop()
	}
}
