package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/pause"
)

var (
	errSilent = errors.New("etcd gave no sign of life")
	errClosed = errors.New("the watch was closed")
)

// stream is one attempt to follow the registry.
type stream struct {
	*Watcher
	etcd      clientv3.Watcher
	opened    <-chan struct{} // the connection is a new one
	responses chan response
	from      int64 // the revision that was listed
	known     history
	lead      lead
	pending   int // watches that aren't in place yet
}

// response is what etcd sent, and when it arrived.
type response struct {
	clientv3.WatchResponse
	received time.Time
}

// watch follows the registry from the revision of h, which was listed, until
// that breaks. It never returns nil.
//
// The watches begin at that revision and not after it: etcd sends no progress
// notification to a watch that waits for a revision to come.
func (w *Watcher) watch(ctx context.Context, h history) error {
	lead, _ := w.lead(ctx) // unknown to an etcd that keeps it to itself
	etcd, opened := newOpenings(w.client)
	s := &stream{
		Watcher:   w,
		etcd:      etcd,
		opened:    opened,
		responses: make(chan response),
		from:      h.revision,
		known:     h,
		lead:      lead,
		pending:   len(w.ranges),
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer func() { _ = s.etcd.Close() }()
	defer cancel()
	for _, r := range w.ranges {
		tasks.Go(func() { s.watchRange(ctx, r, h.revision) })
	}
	tasks.Go(func() { s.heartbeat(ctx) })
	return s.receive(ctx)
}

// watchRange passes on what happens in one range. All ranges share a
// connection to one member.
func (s *stream) watchRange(ctx context.Context, r keyRange, revision int64) {
	watch := s.etcd.Watch(ctx, r.from, clientv3.WithRange(r.to), clientv3.WithRev(revision),
		clientv3.WithCreatedNotify(), clientv3.WithProgressNotify())
	for ctx.Err() == nil {
		r, ok := <-watch
		if !ok {
			r = clientv3.WatchResponse{Canceled: true, CancelReason: errClosed.Error()}
		}
		select {
		case s.responses <- response{r, time.Now()}:
		case <-ctx.Done():
		}
		if !ok {
			return
		}
	}
}

// heartbeat asks for progress notifications: they show that the watches are
// alive, and where etcd stands.
func (s *stream) heartbeat(ctx context.Context) {
	for pause.Sleep(ctx, s.timing.heartbeat) {
		askCtx, cancel := context.WithTimeout(ctx, s.timing.heartbeat)
		_ = s.etcd.RequestProgress(askCtx) // no answer is what counts
		cancel()
	}
}

// receive takes responses in until something is wrong.
func (s *stream) receive(ctx context.Context) error {
	silence := time.NewTimer(s.timing.silence)
	defer silence.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			err = s.silent(ctx)
		case <-s.opened:
			err = s.checkLineage(ctx)
		case r := <-s.responses:
			err = s.take(ctx, &r)
		}
		if err != nil {
			return err
		}
		silence.Reset(s.timing.silence)
	}
}

// take handles one response. All events of a revision come in one response.
func (s *stream) take(ctx context.Context, r *response) error {
	if err := r.Err(); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	s.status.answered()
	if r.Header.ClusterId != s.known.cluster {
		return &otherClusterError{s.known.cluster, r.Header.ClusterId}
	}
	switch {
	case r.Created:
		s.created()
	case r.IsProgressNotify():
		return s.progress(ctx, historyOf(r.Header))
	}
	s.apply(r.Events, r.received)
	s.known = s.known.advance(historyOf(r.Header))
	return nil
}

// created counts the watches that are in place.
func (s *stream) created() {
	if s.pending--; s.pending == 0 {
		s.status.synced()
		s.logger.Info("following etcd", "revision", s.snapshot.Load().Revision())
	}
}

// progress checks a sign of life. Where it seems older than what was seen
// before, all members are asked: one alone may just lag behind.
func (s *stream) progress(ctx context.Context, h history) error {
	if s.known.behind(h) {
		var err error
		if h, err = s.ask(ctx); err != nil {
			return err
		}
	}
	s.known = s.known.advance(h)
	return nil
}

// silent decides what it means that the watches say nothing. It is as it
// should be where nothing has happened since: after a reconnect, a watch waits
// for a revision to come.
func (s *stream) silent(ctx context.Context) error {
	h, err := s.ask(ctx)
	if err != nil {
		return err
	}
	if h.revision > s.known.revision || s.pending > 0 {
		return fmt.Errorf("%w for %v", errSilent, s.timing.silence)
	}
	return nil
}

// ask asks the members together where they stand.
func (s *stream) ask(ctx context.Context) (history, error) {
	h, err := s.position(ctx)
	switch {
	case err != nil:
		return h, err
	case h.cluster != s.known.cluster:
		return h, &otherClusterError{s.known.cluster, h.cluster}
	case s.known.behind(h):
		return h, &restoredError{s.known, h}
	default:
		return h, nil
	}
}

// apply makes the next snapshot of events that were received at some time.
func (s *stream) apply(events []*clientv3.Event, received time.Time) {
	events = slices.DeleteFunc(events, s.listed)
	if len(events) == 0 {
		return
	}
	s.status.seen(len(events))
	changes := s.decoder.changes(events)
	if len(changes) == 0 {
		return
	}
	old := s.snapshot.Load()
	last := events[len(events)-1].Kv.ModRevision
	snapshot, touched := old.Apply(max(old.Revision(), last), changes...)
	s.swap(snapshot, touched)
	s.applied(old, changes, received)
	s.keep(s.known.cluster, snapshot)
}

// listed reports whether an event was in the list already.
func (s *stream) listed(e *clientv3.Event) bool { return e.Kv.ModRevision <= s.from }
