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

// networksRef is the ServiceCIDR object of a registry's first portal networks,
// as in Kubernetes.
var networksRef = registry.Ref{Kind: registry.KindServiceCIDR, Key: registry.Key{Name: "kubernetes"}}

// Init prepares a registry: it writes down the portal networks, at most one of
// each family, and marks the registry as svcreg's own. Services that don't ask
// for a family get an address of the first network. To do it again with the
// same networks changes nothing; to change them is refused.
func (w *Writer) Init(ctx context.Context, networks ...netip.Prefix) error {
	err := CheckNetworks(networks...)
	if err == nil {
		err = w.untilDone(ctx, func() (bool, error) { return w.tryInit(ctx, networks) })
	}
	if err != nil {
		return fmt.Errorf("init %s: %w", w.layout.Prefix(), err)
	}
	return nil
}

// tryInit makes one attempt. It returns false if it lost a race.
func (w *Writer) tryInit(ctx context.Context, networks []netip.Prefix) (done bool, err error) {
	v, err := w.read(ctx, networksRef)
	if err != nil {
		return false, err
	}
	if err := w.permit(ctx, v); err != nil {
		return false, err
	}
	c := newChange(registry.Key{}, nil)
	c.puts = append(c.puts, clientv3.OpPut(w.ownerKey(), ownerValue))
	if v.stored != nil {
		if err := w.agree(v, networks); err != nil || v.owned {
			return true, err
		}
		return w.commit(ctx, v, c)
	}
	value, err := codec.Encode(&registry.ServiceCIDR{
		Meta: registry.Meta{Kind: networksRef.Kind, Key: networksRef.Key}, Prefixes: networks,
	})
	if err != nil {
		return false, err
	}
	c.puts = append(c.puts, clientv3.OpPut(v.key, string(value)))
	return w.commit(ctx, v, c)
}

// agree checks that the networks that stand are those asked for.
func (w *Writer) agree(v *view, networks []netip.Prefix) error {
	object, err := codec.Decode(v.ref, v.stored.Value)
	if err != nil {
		return fmt.Errorf("portal networks at %s: %w", v.key, err)
	}
	if have := object.(*registry.ServiceCIDR).Prefixes; !slices.Equal(have, networks) {
		return fmt.Errorf("portal network %s: want %s, which the registry has: it can't be changed", join(networks), join(have))
	}
	return nil
}

// CheckNetworks reports why Init would not take some portal networks.
func CheckNetworks(networks ...netip.Prefix) error {
	if len(networks) == 0 {
		return errors.New("portal network: missing: want one such as 10.0.0.0/24")
	}
	seen := map[family]netip.Prefix{}
	for _, n := range networks {
		if err := checkNetwork(n); err != nil {
			return fmt.Errorf("portal network %s: %w", n, err)
		}
		f := familyOf(n.Addr())
		if other, ok := seen[f]; ok {
			return fmt.Errorf("portal network %s: want at most one of %s, beside %s", n, f, other)
		}
		seen[f] = n
	}
	return nil
}

func checkNetwork(n netip.Prefix) error {
	if !n.IsValid() {
		return errors.New("want a network such as 10.0.0.0/24")
	}
	if n != n.Masked() {
		return fmt.Errorf("want %s: bits of the host are set", n.Masked())
	}
	if err := registry.CheckNetwork(n); err != nil {
		return err
	}
	largest, smallest := 8, 30
	if n.Addr().Is6() {
		largest, smallest = 64, 126
	}
	if n.Bits() < largest || n.Bits() > smallest {
		return fmt.Errorf("want a size of /%d to /%d", largest, smallest)
	}
	return nil
}
