package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/pause"
)

const (
	// callTimeout bounds a call to etcd.
	callTimeout = 5 * time.Second
	// scatter bounds the pause between the moment at which the key is free and
	// a candidate's attempt to have it, so that thousands don't all try.
	scatter = 50 * time.Millisecond
	// leastPause and mostPause bound the pauses after what failed.
	leastPause, mostPause = 200 * time.Millisecond, 10 * time.Second
)

// candidate is a node that wants to lead.
type candidate struct {
	client *clientv3.Client
	key    string
	node   string
	ttl    time.Duration
	logger *slog.Logger
	leads  prometheus.Gauge
}

// round waits until nobody leads, tries to be the next, and if it won leads
// until that is over.
func (n *candidate) round(ctx context.Context, f func(context.Context) error) (won bool, err error) {
	if err := n.await(ctx, func(kv *mvccpb.KeyValue) bool { return kv == nil }); err != nil {
		return false, err
	}
	t, err := n.stand(ctx)
	if t == nil {
		return false, err
	}
	return true, t.serve(ctx, f)
}

// stand tries to take the key. It returns nil if another was quicker.
func (n *candidate) stand(ctx context.Context) (*term, error) {
	if !pause.Sleep(ctx, pause.Below(scatter)) {
		return nil, ctx.Err()
	}
	calling, cancel := context.WithTimeout(ctx, n.ttl/2)
	defer cancel()
	sent := time.Now()
	lease, err := n.client.Grant(calling, int64(n.ttl/time.Second))
	if err != nil {
		return nil, fmt.Errorf("get a lease: %w", err)
	}
	t := &term{candidate: n, lease: lease.ID, end: end(sent, lease.TTL)}
	response, err := n.client.Txn(calling).
		If(clientv3.Compare(clientv3.CreateRevision(n.key), "=", 0)).
		Then(clientv3.OpPut(n.key, n.node, clientv3.WithLease(lease.ID))).Commit()
	if err == nil && response.Succeeded {
		return t, nil
	}
	t.resign(ctx)
	if err != nil {
		return nil, fmt.Errorf("put %s: %w", n.key, err)
	}
	return nil, nil
}

// await waits until the key is as wanted; it is nil while nobody holds it.
func (n *candidate) await(ctx context.Context, wanted func(*mvccpb.KeyValue) bool) error {
	for {
		kv, revision, err := n.look(ctx)
		if err != nil {
			return fmt.Errorf("read %s: %w", n.key, err)
		}
		if wanted(kv) {
			return nil
		}
		if err := n.awaitEvent(ctx, revision+1); err != nil {
			return fmt.Errorf("watch %s: %w", n.key, err)
		}
	}
}

// look reads the key, and returns the revision at which it was read.
func (n *candidate) look(ctx context.Context) (*mvccpb.KeyValue, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := n.client.Get(ctx, n.key)
	if err != nil {
		return nil, 0, err
	}
	if len(response.Kvs) == 0 {
		return nil, response.Header.Revision, nil
	}
	return response.Kvs[0], response.Header.Revision, nil
}

var errWatchEnded = errors.New("etcd ended the watch")

// awaitEvent waits until the key is written or deleted at a revision or later.
func (n *candidate) awaitEvent(ctx context.Context, revision int64) error {
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for response := range n.client.Watch(watching, n.key, clientv3.WithRev(revision)) {
		if err := response.Err(); err != nil {
			return err
		}
		if len(response.Events) > 0 {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errWatchEnded
}
