package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/pause"
)

// revokeTimeout bounds the attempt to give the lease back.
const revokeTimeout = time.Second

// lease is what a node holds in etcd while it takes part.
type lease struct {
	client *clientv3.Client
	ttl    time.Duration
	logger *slog.Logger
	wake   chan struct{}        // the term is another, or its fence opened or closed
	term   atomic.Pointer[term] // nil for none
	lost   func()               // counts
	told   time.Duration
}

// current returns the term whose lease is sure to stand, nil if none is.
func (l *lease) current() *term {
	if t := l.term.Load(); t != nil && t.open() > 0 {
		return t
	}
	return nil
}

// run gets leases and keeps them until ctx ends.
func (l *lease) run(ctx context.Context) error {
	p := pause.Growing{Least: leastPause, Most: mostPause}
	for ctx.Err() == nil {
		t, err := l.grant(ctx)
		if err == nil {
			p.Reset()
			err = l.keep(ctx, t)
		}
		if ctx.Err() == nil {
			l.logger.Log(ctx, levelOf(&p), "this node holds no lease in etcd, and announces nothing", "error", err)
			p.Sleep(ctx)
		}
	}
	return nil
}

// grant gets a new lease.
func (l *lease) grant(ctx context.Context) (*term, error) {
	calling, cancel := context.WithTimeout(ctx, l.ttl)
	defer cancel()
	sent := time.Now()
	response, err := l.client.Grant(calling, int64(l.ttl/time.Second))
	if err != nil {
		return nil, fmt.Errorf("get a lease: %w", err)
	}
	granted := time.Duration(response.TTL) * time.Second
	if granted > l.ttl && granted != l.told {
		l.told = granted
		l.logger.Warn("etcd grants no leases as short as asked for, because of its election timeout: so much longer takes it until another node has a dead one's addresses",
			"asked", l.ttl, "granted", granted)
	}
	t := &term{id: response.ID}
	t.renew(sent, granted)
	l.term.Store(t)
	nudge(l.wake)
	return t, nil
}

// keep renews the lease until it is gone, which is an error, or ctx ends. Where
// etcd doesn't answer the fence closes by itself; it opens again if the lease
// turns out to have survived.
func (l *lease) keep(ctx context.Context, t *term) error {
	expired := false
	for interval := l.ttl / 6; pause.Sleep(ctx, interval-pause.Below(interval/4)); {
		sent := time.Now()
		calling, cancel := context.WithTimeout(ctx, l.ttl/4)
		response, err := l.client.KeepAliveOnce(calling, t.id)
		cancel()
		switch {
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			l.drop(t)
			return fmt.Errorf("renew the lease: %w", err)
		case err == nil:
			t.renew(sent, time.Duration(response.TTL)*time.Second)
			if expired {
				l.logger.Info("etcd renewed the lease in time after all")
				nudge(l.wake)
			}
			expired = false
		case t.open() == 0 && !expired && ctx.Err() == nil:
			expired = true
			l.lost()
			l.logger.Warn("the lease may be over soon: this node is silent", "error", err)
			nudge(l.wake)
		}
	}
	return nil
}

// drop forgets a lease that is gone.
func (l *lease) drop(t *term) {
	if t.open() > 0 {
		l.lost()
	}
	t.shut()
	l.term.Store(nil)
	nudge(l.wake)
}

// revoke gives the lease back, and with it all that the node holds in etcd.
// If it can't, that goes when the lease ends.
func (l *lease) revoke(ctx context.Context) {
	t := l.term.Load()
	if t == nil {
		return
	}
	t.shut()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	if _, err := l.client.Revoke(ctx, t.id); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		l.logger.Warn("the lease couldn't be given back; others take over when it ends", "error", err)
	}
}

// levelOf returns how loudly a failure is told: the first of several in a row
// is a warning.
func levelOf(p *pause.Growing) slog.Level {
	if p.Begun() {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
