package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

// Follow tells of all pools and claims, and then of what changes, until ctx
// ends. Notify is called from one goroutine, with everything whenever track was
// lost. What can't be read is logged: such a pool stays what it was, and the
// address of such a claim is nobody's to give.
func Follow(ctx context.Context, client *clientv3.Client, layout codec.Layout, logger *slog.Logger, notify func(Update)) {
	follow(ctx, &follower{client, layout, logger, notify, []string{Dir(layout), ClaimDir(layout)}})
}

// FollowPools is Follow for pools alone. Notify is called with all of them.
func FollowPools(ctx context.Context, client *clientv3.Client, layout codec.Layout, logger *slog.Logger, notify func([]*Pool)) {
	b := NewBook()
	follow(ctx, &follower{client, layout, logger, func(u Update) {
		b.Apply(u)
		notify(b.Pools())
	}, []string{Dir(layout)}})
}

func follow(ctx context.Context, f *follower) {
	const least, most = 50 * time.Millisecond, 5 * time.Second
	for pause := least; ctx.Err() == nil; pause = min(pause*2, most) {
		start := time.Now()
		err := f.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > most {
			pause = least
		}
		f.logger.Debug("lost track of the address pools, trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // a jitter is no secret
		}
	}
}

type follower struct {
	client *clientv3.Client
	layout codec.Layout
	logger *slog.Logger
	notify func(Update)
	dirs   []string
}

// List reads all pools and claims at one revision, which it returns, too.
func List(ctx context.Context, client *clientv3.Client, layout codec.Layout, logger *slog.Logger) (*Book, int64, error) {
	f := &follower{client, layout, logger, nil, []string{Dir(layout), ClaimDir(layout)}}
	u, revision, err := f.list(ctx)
	if err != nil {
		return nil, 0, err
	}
	b := NewBook()
	b.Apply(*u)
	return b, revision, nil
}

func (f *follower) list(ctx context.Context) (*Update, int64, error) {
	var gets []clientv3.Op
	for _, dir := range f.dirs {
		gets = append(gets, clientv3.OpGet(dir, clientv3.WithPrefix()))
	}
	response, err := f.client.Txn(ctx).Then(gets...).Commit()
	if err != nil {
		return nil, 0, fmt.Errorf("read address pools: %w", err)
	}
	u := newUpdate()
	u.Anew = true
	for _, answer := range response.Responses {
		for _, kv := range answer.GetResponseRange().Kvs {
			f.read(u, kv)
		}
	}
	return u, response.Header.Revision, nil
}

func newUpdate() *Update {
	return &Update{Pools: map[string]*Pool{}, Claims: map[netip.Addr]*Claim{}}
}

// session lists and watches until that breaks.
func (f *follower) session(ctx context.Context) error {
	u, revision, err := f.list(ctx)
	if err != nil {
		return err
	}
	f.notify(*u)
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	var watches [2]clientv3.WatchChan // of which the second may be nil: nothing ever comes of it
	for i, dir := range f.dirs {
		watches[i] = f.client.Watch(ctx, dir, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	}
	for err == nil {
		select {
		case response, ok := <-watches[0]:
			err = f.changed(response, ok)
		case response, ok := <-watches[1]:
			err = f.changed(response, ok)
		}
	}
	return err
}

// changed tells of some changes.
func (f *follower) changed(response clientv3.WatchResponse, ok bool) error {
	if !ok {
		return errors.New("the watch ended")
	}
	if err := response.Err(); err != nil {
		return err
	}
	u := newUpdate()
	for _, event := range response.Events {
		if event.Type == clientv3.EventTypeDelete {
			f.gone(u, string(event.Kv.Key))
		} else {
			f.read(u, event.Kv)
		}
	}
	f.notify(*u)
	return nil
}

// gone adds to an update that a key was deleted.
func (f *follower) gone(u *Update, key string) {
	if name, ok := strings.CutPrefix(key, Dir(f.layout)); ok {
		u.Pools[name] = nil
	} else if a, ok := claimAddr(f.layout, key); ok {
		u.Claims[a] = nil
	}
}

// read adds what a key holds to an update.
func (f *follower) read(u *Update, kv *mvccpb.KeyValue) {
	key := string(kv.Key)
	if name, ok := strings.CutPrefix(key, Dir(f.layout)); ok {
		p, err := Decode(name, kv.Value)
		if err != nil {
			f.logger.Error("an address pool can't be read", "key", key, "error", err)
			u.Broken = append(u.Broken, name)
			return
		}
		p.Revision = kv.ModRevision
		u.Pools[name] = p
	} else if a, ok := claimAddr(f.layout, key); ok {
		c, err := decodeClaim(a, kv.Value, kv.ModRevision)
		if err != nil {
			f.logger.Error("it can't be read who holds an address, so nobody gets it", "key", key, "error", err)
		}
		u.Claims[a] = c
	}
}
