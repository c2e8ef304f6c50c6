package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// followPause is how long to wait before asking another member when one has
// lost its leader.
const followPause = time.Second

// follow calls visit for every change below dir from a revision on, until visit
// wants no more or the context ends. It outlives members, and elections.
func (r *registryClient) follow(ctx context.Context, dir string, revision int64, visit func(*clientv3.Event) (more bool, err error)) error {
	for {
		err := r.followOne(ctx, dir, &revision, visit)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, rpctypes.ErrNoLeader):
			return fmt.Errorf("watch %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
}

// followOne follows one watch to its end, and keeps the revision at which to
// go on.
func (r *registryClient) followOne(ctx context.Context, dir string, revision *int64, visit func(*clientv3.Event) (bool, error)) error {
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for response := range r.Watch(watching, dir, clientv3.WithPrefix(), clientv3.WithRev(*revision), clientv3.WithPrevKV()) {
		if err := response.Err(); err != nil {
			return err
		}
		for _, e := range response.Events {
			if more, err := visit(e); err != nil || !more {
				return err
			}
		}
		*revision = max(*revision, response.Header.Revision+1)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return errors.New("etcd ended it")
}
