package write

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Lift gives a service of type ExternalName that has ports a portal IP: of each
// family that there is a portal network of, unless the service says otherwise.
// From then on it is no alias any more. Nothing else about it changes, and one
// that has a portal IP, or says "None", stays as it is, as does what isn't such
// a service.
//
// It is for the controller that keeps the service's endpoints: without one the
// portal IP would lead nowhere, where the alias did. The errors are those of
// Apply, and ErrNotInitialised in a registry that isn't svcreg's own, whosoever
// it is.
func (w *Writer) Lift(ctx context.Context, service registry.Key) error {
	ref := registry.Ref{Kind: registry.KindService, Key: service}
	err := w.untilDone(ctx, func() (bool, error) { return w.tryLift(ctx, ref) })
	if err != nil {
		return fmt.Errorf("give %s a portal IP: %w", ref, err)
	}
	return nil
}

// tryLift makes one attempt. It is not done if it lost a race.
func (w *Writer) tryLift(ctx context.Context, ref registry.Ref) (done bool, err error) {
	v, err := w.look(ctx, ref, Condition{})
	if err != nil || v.stored == nil {
		return err == nil, err
	}
	d, err := codec.ParseValue(ref, v.stored.Value)
	if err != nil {
		return false, err
	}
	if s := service(d); !s.IsAlias() || s.Headless || len(s.Ports) == 0 || len(s.PortalIPs) > 0 {
		return true, nil
	}
	c, err := w.planLift(ctx, v, d)
	if err != nil {
		return false, err
	}
	return w.commit(ctx, v, c)
}

// planLift decides which addresses the service gets.
func (w *Writer) planLift(ctx context.Context, v *view, d *codec.Document) (*change, error) {
	networks, err := v.networks(w.layout)
	if err != nil {
		return nil, err
	}
	if !v.owned || v.apiserver != "" || len(networks) == 0 {
		return nil, ErrNotInitialised
	}
	missing, err := missingFamilies(d, networks, nil, preferDualStack)
	if err != nil {
		return nil, err
	}
	claims, err := w.claimMissing(ctx, v, d, networks, nil, missing)
	if err != nil {
		return nil, err
	}
	value, err := d.Value()
	if err != nil {
		return nil, err
	}
	c := newChange(v.ref.Key, claims)
	c.puts = append(c.puts, clientv3.OpPut(v.key, string(value), clientv3.WithLease(clientv3.LeaseID(v.stored.Lease))))
	return c, nil
}
