package leader

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/pause"
)

// Why a term ends before its function returns.
var (
	errExpired = errors.New("the lease may be over soon: etcd didn't renew it")
	errRevoked = errors.New("the lease is gone")
	errTaken   = errors.New("the key was deleted or taken by others")
)

// resignTimeout bounds the attempt to give the lease back.
const resignTimeout = 2 * time.Second

// term is the time during which a node leads.
type term struct {
	*candidate
	lease clientv3.LeaseID
	end   time.Time // when the function's context ends, if nobody renews the lease
}

// end returns until when a node may lead, of which a request for a lease, or
// its renewal, was sent at a time, and was granted some seconds. It is before
// the end of the lease by a quarter, so that there is time to stop, and for
// clocks that run at different speeds.
func end(sent time.Time, seconds int64) time.Time {
	granted := time.Duration(seconds) * time.Second
	return sent.Add(granted - granted/4)
}

// serve calls f with a context that ends with the term, waits for it, and
// resigns. Its error is f's, or why the term ended.
func (t *term) serve(ctx context.Context, f func(context.Context) error) error {
	leading, cancel := context.WithCancelCause(ctx)
	expiry := time.AfterFunc(time.Until(t.end), func() { cancel(errExpired) })
	var watchers sync.WaitGroup
	watchers.Go(func() { t.keep(leading, expiry, cancel) })
	watchers.Go(func() { t.follow(leading, cancel) })
	t.logger.Info("this node leads", "node", t.node)
	t.leads.Set(1)
	err := f(leading)
	t.leads.Set(0)
	ended := context.Cause(leading) // nil if f returned by itself
	cancel(nil)
	expiry.Stop()
	watchers.Wait()
	t.resign(ctx)
	t.logger.Info("this node leads no more", "node", t.node)
	if ended != nil {
		return ended
	}
	return err
}

// keep renews the lease, until it can't be or ctx ends. After a request that is
// lost there is time for another one before the term ends.
func (t *term) keep(ctx context.Context, expiry *time.Timer, lost context.CancelCauseFunc) {
	for interval := t.ttl / 6; pause.Sleep(ctx, interval-pause.Below(interval/4)); {
		sent := time.Now()
		calling, cancel := context.WithTimeout(ctx, t.ttl/3)
		response, err := t.client.KeepAliveOnce(calling, t.lease)
		cancel()
		switch {
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			lost(errRevoked)
			return
		case err != nil:
			t.logger.Debug("the lease wasn't renewed", "error", err)
		default:
			expiry.Reset(time.Until(end(sent, response.TTL)))
		}
	}
}

// follow watches the key, which others may delete.
func (t *term) follow(ctx context.Context, lost context.CancelCauseFunc) {
	p := pause.Growing{Least: leastPause, Most: mostPause}
	for ctx.Err() == nil {
		err := t.await(ctx, func(kv *mvccpb.KeyValue) bool { return kv == nil || kv.Lease != int64(t.lease) })
		if err == nil {
			lost(errTaken)
			return
		}
		p.Sleep(ctx)
	}
}

// resign gives the lease back, and with it the key. If it can't, both go when
// the lease ends.
func (t *term) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	if _, err := t.client.Revoke(ctx, t.lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		t.logger.Debug("the lease couldn't be given back", "error", err)
	}
}
