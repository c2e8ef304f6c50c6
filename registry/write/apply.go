package write

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Apply stores a valid document, merged with what the registry has of its object.
// The document itself stays as it is.
//
// A service that neither is headless nor stands for an outside name gets a
// portal IP, or keeps its own; one that it names it gets if it is free. One that
// stands for an outside name keeps what it has as long as it has ports; see
// Lift. Node ports are given and kept likewise. What a service had and has no
// more is free again. What is new gets a UID and the time of its creation, and
// keeps both. The errors are ForeignError, FullError, TakenError, OutsideError,
// NodePortError, ErrNotInitialised, ErrConflict, those of codec, and etcd's.
func (w *Writer) Apply(ctx context.Context, d *codec.Document) (Outcome, error) {
	return w.ApplyIf(ctx, d, Condition{})
}

// ApplyIf is an Apply that is made only if a condition holds.
func (w *Writer) ApplyIf(ctx context.Context, d *codec.Document, c Condition) (Outcome, error) {
	return w.ApplyLeased(ctx, d, c, clientv3.NoLease)
}

// ApplyLeased is an ApplyIf of an object that goes away when an etcd lease
// ends. To revoke the lease deletes the object, unless it was written since
// under another lease, or under none, as the other methods write. The portal IP
// of a service would stay: lease objects that have none.
func (w *Writer) ApplyLeased(ctx context.Context, d *codec.Document, c Condition, lease clientv3.LeaseID) (Outcome, error) {
	ref := d.Ref()
	outcome := Unchanged
	err := refuseKind(ref)
	if err == nil {
		err = d.Validate()
	}
	if err == nil {
		err = w.untilDone(ctx, func() (done bool, err error) {
			outcome, done, err = w.tryApply(ctx, ref, d, c, lease)
			return done, err
		})
	}
	if err != nil {
		return Unchanged, fmt.Errorf("apply %s: %w", ref, err)
	}
	return outcome, nil
}

// refuseKind keeps the allocator's own records out of people's hands.
func refuseKind(r registry.Ref) error {
	switch r.Kind {
	case registry.KindServiceCIDR:
		return errors.New("want svcctl init to set up portal networks")
	case registry.KindIPAddress:
		return errors.New("want a Service with that portal IP: its IPAddress comes and goes with it")
	}
	return nil
}

// tryApply makes one attempt. It is not done if it lost a race.
func (w *Writer) tryApply(ctx context.Context, ref registry.Ref, d *codec.Document, c Condition, lease clientv3.LeaseID) (_ Outcome, done bool, err error) {
	v, err := w.look(ctx, ref, c)
	if err != nil {
		return Unchanged, false, err
	}
	_, p, err := w.plan(ctx, v, d, lease)
	if err != nil || p == nil {
		return Unchanged, true, err
	}
	outcome := Configured
	if v.stored == nil {
		outcome = Created
	}
	done, err = w.commit(ctx, v, p)
	return outcome, done, err
}

// look takes a view in which the object may be written and a condition holds.
func (w *Writer) look(ctx context.Context, ref registry.Ref, c Condition) (*view, error) {
	v, err := w.read(ctx, ref)
	if err == nil {
		err = w.permit(ctx, v)
	}
	if err == nil {
		err = c.check(v)
	}
	return v, err
}

// plan decides what is to be stored, and how; the change is nil if that stands
// there already.
func (w *Writer) plan(ctx context.Context, v *view, d *codec.Document, lease clientv3.LeaseID) (next *codec.Document, _ *change, _ error) {
	next, old, err := w.merge(v, d)
	if err == nil {
		err = w.keepGiven(ctx, v, next, old)
	}
	if err != nil {
		return nil, nil, err
	}
	c, had := &change{service: v.ref.Key}, portalIPs(old)
	if v.ref.Kind == registry.KindService {
		if c.claims, err = w.assign(ctx, v, next, had); err != nil {
			return nil, nil, err
		}
		if err := w.assignPorts(ctx, v, c, next, old); err != nil {
			return nil, nil, err
		}
	}
	if old != nil && next.Equal(old) && v.stored.Lease == int64(lease) {
		return next, nil, nil
	}
	value, err := next.Value()
	if err != nil {
		return nil, nil, err
	}
	if !v.owned && !w.opts.WriteToKubernetes && isKubernetes(value) {
		return nil, nil, fmt.Errorf("to store Kubernetes protobuf: %w", ErrNotInitialised)
	}
	c.puts = append(c.puts, clientv3.OpPut(v.key, string(value), clientv3.WithLease(lease)))
	now := portalIPs(next)
	return next, c, w.release(ctx, v, c, slices.DeleteFunc(had, func(a netip.Addr) bool { return slices.Contains(now, a) }))
}

// merge returns the document as it is to be stored, and the one that is; the
// latter is nil if there is none. Each attempt starts from the bytes that were
// given, for a merged document says what it carried over as if it were its own.
func (w *Writer) merge(v *view, d *codec.Document) (next, old *codec.Document, err error) {
	value, err := d.Value()
	if err != nil {
		return nil, nil, err
	}
	if next, err = codec.ParseValue(v.ref, value); err != nil {
		return nil, nil, err
	}
	if v.stored == nil {
		identify(next)
		return next, nil, nil
	}
	if old, err = codec.ParseValue(v.ref, v.stored.Value); err != nil {
		return nil, nil, fmt.Errorf("what stands at %s can't be read, delete it first: %w", v.key, err)
	}
	return next, old, next.Merge(old)
}

// portalIPs returns a document's portal IPs; none for a nil document or what
// isn't a service.
func portalIPs(d *codec.Document) []netip.Addr {
	if d == nil {
		return nil
	}
	object, err := d.Object()
	if err != nil {
		return nil
	}
	if service, ok := object.(*registry.Service); ok && !service.Headless {
		return slices.Clone(service.PortalIPs)
	}
	return nil
}
