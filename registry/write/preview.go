package write

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

// Preview returns what ApplyIf would store now, and the revision at which the
// object was last written, zero for a new one. It writes nothing: a portal IP
// that it shows may be another service's by the time of the Apply, and a UID is
// another one then. The errors are those of ApplyIf.
func (w *Writer) Preview(ctx context.Context, d *codec.Document, c Condition) (*codec.Document, int64, error) {
	ref := d.Ref()
	next, revision, err := w.preview(ctx, d, c)
	if err != nil {
		return nil, 0, fmt.Errorf("apply %s: %w", ref, err)
	}
	return next, revision, nil
}

func (w *Writer) preview(ctx context.Context, d *codec.Document, c Condition) (*codec.Document, int64, error) {
	if err := refuseKind(d.Ref()); err != nil {
		return nil, 0, err
	}
	if err := d.Validate(); err != nil {
		return nil, 0, err
	}
	v, err := w.look(ctx, d.Ref(), c)
	if err != nil {
		return nil, 0, err
	}
	next, _, err := w.plan(ctx, v, d, clientv3.NoLease)
	if err != nil || v.stored == nil {
		return next, 0, err
	}
	return next, v.stored.ModRevision, nil
}
