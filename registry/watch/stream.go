package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

var (
	errSilent = errors.New("etcd gave no sign of life")
	errClosed = errors.New("the watch was closed")
)

// stream is one attempt to follow the registry.
type stream struct {
	*Watcher
	etcd      clientv3.Watcher
	responses chan clientv3.WatchResponse
	known     history
	pending   int // watches that aren't in place yet
}

// watch follows the registry from the revision after the one of h until that
// breaks. It never returns nil.
func (w *Watcher) watch(ctx context.Context, h history) error {
	s := &stream{
		Watcher:   w,
		etcd:      clientv3.NewWatcher(w.client),
		responses: make(chan clientv3.WatchResponse),
		known:     h,
		pending:   len(w.ranges),
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer func() { _ = s.etcd.Close() }()
	defer cancel()
	for _, r := range w.ranges {
		tasks.Go(func() { s.watchRange(ctx, r, h.revision+1) })
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
		response, ok := <-watch
		if !ok {
			response = clientv3.WatchResponse{Canceled: true, CancelReason: errClosed.Error()}
		}
		select {
		case s.responses <- response:
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
	for sleep(ctx, s.timing.heartbeat) {
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
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			return fmt.Errorf("%w for %v", errSilent, s.timing.silence)
		case r := <-s.responses:
			if err := s.take(ctx, &r); err != nil {
				return err
			}
			silence.Reset(s.timing.silence)
		}
	}
}

// take handles one response. All events of a revision come in one response.
func (s *stream) take(ctx context.Context, r *clientv3.WatchResponse) error {
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
	s.apply(r.Events)
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
// before, all members are asked together: one alone may just lag behind.
func (s *stream) progress(ctx context.Context, h history) error {
	if s.known.behind(h) {
		page, err := s.page(ctx, keyRange{s.ranges[0].from, s.ranges[0].from + "\x00"}, 0)
		if err != nil {
			return fmt.Errorf("compare revisions: %w", err)
		}
		if h = historyOf(page.Header); s.known.behind(h) {
			return &restoredError{s.known, h}
		}
	}
	s.known = s.known.advance(h)
	return nil
}

// apply makes the next snapshot.
func (s *stream) apply(events []*clientv3.Event) {
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
	s.keep(s.known.cluster, snapshot)
}
