package write

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Delete removes an object; with a service, the record of its portal IPs. An
// object that can't be read can be deleted all the same. The errors are
// ErrNotFound, ForeignError, ErrConflict and etcd's.
func (w *Writer) Delete(ctx context.Context, r registry.Ref) error {
	return w.DeleteIf(ctx, r, Condition{})
}

// DeleteIf is a Delete that is made only if a condition holds.
func (w *Writer) DeleteIf(ctx context.Context, r registry.Ref, c Condition) error {
	err := refuseKind(r)
	if err == nil {
		err = w.untilDone(ctx, func() (bool, error) { return w.tryDelete(ctx, r, c) })
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", r, err)
	}
	return nil
}

// tryDelete makes one attempt. It returns false if it lost a race.
func (w *Writer) tryDelete(ctx context.Context, r registry.Ref, cond Condition) (done bool, err error) {
	v, err := w.read(ctx, r)
	if err != nil {
		return false, err
	}
	if err := w.permit(ctx, v); err != nil {
		return false, err
	}
	if v.stored == nil {
		return false, ErrNotFound
	}
	if err := cond.check(v); err != nil {
		return false, err
	}
	c := newChange(r.Key, nil)
	c.puts = append(c.puts, clientv3.OpDelete(v.key))
	if old, err := codec.ParseValue(r, v.stored.Value); err == nil {
		if err := w.release(ctx, v, c, portalIPs(old)); err != nil {
			return false, err
		}
	}
	return w.commit(ctx, v, c)
}
