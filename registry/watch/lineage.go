package watch

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// An etcd that was restored from a backup is at an older revision, and that
// shows. But it may be written to before we reach it again, and so grow past
// what we have seen: then a watch goes on as if nothing had happened, and what
// the backup lacks stays for ever.
//
// The log gives it away. Each change of the revision is an entry of etcd's
// log, and there are other entries. So the log's lead, its index less the
// revision, never shrinks; but a restored etcd begins a new log at the old
// revision.

// leadSlack is by how much a lead can seem to shrink: the index is counted
// just after the revision.
const leadSlack = 1

// lead is how far the log is ahead of the revision; unknown if etcd doesn't
// say.
type lead struct {
	known   bool
	entries int64
}

// rewrittenError says that etcd's history isn't the one that was followed,
// though its revision and term don't show it.
type rewrittenError struct{ before, now int64 }

func (e *rewrittenError) Error() string {
	return fmt.Sprintf("etcd has another history, as after a restore: its log leads its revision by %d, before by %d", e.now, e.before)
}

// lead asks etcd. The members take turns.
func (w *Watcher) lead(ctx context.Context) (lead, error) {
	maintenance := etcdserverpb.NewMaintenanceClient(w.client.ActiveConnection())
	var err error
	for range pageAttempts {
		var s *etcdserverpb.StatusResponse
		attempt, cancel := context.WithTimeout(ctx, w.timing.page)
		s, err = maintenance.Status(attempt, &etcdserverpb.StatusRequest{})
		cancel()
		if err == nil {
			return lead{s.RaftAppliedIndex > 0, int64(s.RaftAppliedIndex) - s.Header.Revision}, nil
		}
		if !errors.Is(attempt.Err(), context.DeadlineExceeded) || ctx.Err() != nil {
			break
		}
	}
	return lead{}, fmt.Errorf("ask etcd for its status: %w", err)
}

// checkLineage makes sure that the etcd at the other end is the one that was
// listed. Where etcd doesn't tell its status there is nothing to compare.
func (s *stream) checkLineage(ctx context.Context) error {
	if !s.lead.known {
		return nil
	}
	now, err := s.Watcher.lead(ctx)
	if err != nil {
		return err
	}
	if now.known && now.entries+leadSlack < s.lead.entries {
		return &rewrittenError{s.lead.entries, now.entries}
	}
	return nil
}

// openings is a client of etcd's watches that tells when their stream is
// opened, which it is again after each loss of the connection.
type openings struct {
	etcdserverpb.WatchClient
	seen chan struct{} // has room for one
}

// newOpenings returns etcd's watches, and a channel that gets an element when
// their stream was opened.
func newOpenings(c *clientv3.Client) (clientv3.Watcher, <-chan struct{}) {
	o := &openings{etcdserverpb.NewWatchClient(c.ActiveConnection()), make(chan struct{}, 1)}
	return clientv3.NewWatchFromWatchClient(o, c), o.seen
}

// Watch implements etcdserverpb.WatchClient.
func (o *openings) Watch(ctx context.Context, opts ...grpc.CallOption) (grpc.BidiStreamingClient[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse], error) {
	stream, err := o.WatchClient.Watch(ctx, opts...)
	if err == nil {
		select {
		case o.seen <- struct{}{}:
		default:
		}
	}
	return stream, err
}
