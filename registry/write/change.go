package write

import (
	"context"
	"fmt"
	"net/netip"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// change is one transaction in the making.
type change struct {
	service    registry.Key
	claims     []claim
	ports      []uint16 // the node ports that it takes
	conditions []clientv3.Cmp
	puts       []clientv3.Op
}

// newChange returns a change in which a service takes some addresses. Putting
// the object itself is the caller's.
func newChange(service registry.Key, claims []claim) *change {
	return &change{service: service, claims: claims}
}

// addr returns the key of an address's IPAddress object.
func addressRef(addr netip.Addr) registry.Ref {
	return registry.Ref{Kind: registry.KindIPAddress, Key: registry.Key{Name: addr.String()}}
}

// take adds the IPAddress objects of the claims to a change.
func (w *Writer) take(c *change) error {
	for _, claim := range c.claims {
		ref := addressRef(claim.addr)
		value, err := codec.Encode(&registry.IPAddress{
			Meta: registry.Meta{Kind: ref.Kind, Key: ref.Key}, Addr: claim.addr, Service: c.service,
		})
		if err != nil {
			return err
		}
		key, seen := w.layout.Key(ref), int64(0)
		if leak := claim.leak; leak != nil {
			seen = leak.object.ModRevision
			c.conditions = append(c.conditions, clientv3.Compare(clientv3.ModRevision(leak.serviceKey), "=", leak.serviceSeen))
		}
		c.conditions = append(c.conditions, clientv3.Compare(clientv3.ModRevision(key), "=", seen))
		c.puts = append(c.puts, clientv3.OpPut(key, string(value)))
	}
	return nil
}

// release adds the deletion of a service's IPAddress objects to a change. One
// that names another service stays.
func (w *Writer) release(ctx context.Context, v *view, c *change, addrs []netip.Addr) error {
	for _, addr := range addrs {
		ref := addressRef(addr)
		response, err := w.client.Get(ctx, w.layout.Key(ref))
		if err != nil {
			return fmt.Errorf("read %s: %w", ref, err)
		}
		for _, kv := range response.Kvs {
			if owner(ref, kv) == v.ref.Key {
				c.conditions = append(c.conditions, clientv3.Compare(clientv3.ModRevision(string(kv.Key)), "=", kv.ModRevision))
				c.puts = append(c.puts, clientv3.OpDelete(string(kv.Key)))
			}
		}
	}
	return nil
}

// owner returns the service that an IPAddress object names, if any.
func owner(ref registry.Ref, kv *mvccpb.KeyValue) registry.Key {
	object, err := codec.Decode(ref, kv.Value)
	if err != nil {
		return registry.Key{}
	}
	return object.(*registry.IPAddress).Service
}

// commit makes the transaction, if the view's object is unchanged and no
// apiserver has come to life. It returns false if it lost a race.
func (w *Writer) commit(ctx context.Context, v *view, c *change) (bool, error) {
	if err := w.take(c); err != nil {
		return false, err
	}
	conditions := append(w.noApiserver(), v.unchanged())
	response, err := w.client.Txn(ctx).If(append(conditions, c.conditions...)...).Then(c.puts...).Commit()
	if err != nil {
		return false, fmt.Errorf("write %s: %w", v.key, err)
	}
	var taken []netip.Addr
	for _, claim := range c.claims {
		taken = append(taken, claim.addr)
		if claim.leak != nil && !response.Succeeded {
			w.ledger.forget()
		}
	}
	if response.Succeeded {
		w.ledger.wrote(response.Header.Revision, c.service, taken, c.ports)
	}
	return response.Succeeded, nil
}
