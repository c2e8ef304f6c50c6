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

// view is what a write has to know of the registry, at one revision.
type view struct {
	revision  int64
	ref       registry.Ref
	key       string
	stored    *mvccpb.KeyValue // the object to be written; nil if there is none
	owned     bool             // svcreg's marker stands
	apiserver string           // the key of a live apiserver's lease, if any
	cidrs     []*mvccpb.KeyValue
	ports     *mvccpb.KeyValue // what is said of node ports; nil for nothing
}

// read takes a view for writing one object.
func (w *Writer) read(ctx context.Context, r registry.Ref) (*view, error) {
	v := &view{ref: r, key: w.layout.Key(r)}
	first := []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly()}
	response, err := w.client.Txn(ctx).Then(
		clientv3.OpGet(v.key),
		clientv3.OpGet(w.ownerKey(), clientv3.WithKeysOnly()),
		clientv3.OpGet(w.layout.Dir(registry.KindServiceCIDR), clientv3.WithPrefix()),
		clientv3.OpGet(w.portsKey()),
		clientv3.OpGet(w.leaseDirs()[0], first...),
		clientv3.OpGet(w.leaseDirs()[1], first...),
	).Commit()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", v.key, err)
	}
	v.revision = response.Header.Revision
	answers := response.Responses
	if kvs := answers[0].GetResponseRange().Kvs; len(kvs) > 0 {
		v.stored = kvs[0]
	}
	v.owned = len(answers[1].GetResponseRange().Kvs) > 0
	v.cidrs = answers[2].GetResponseRange().Kvs
	if kvs := answers[3].GetResponseRange().Kvs; len(kvs) > 0 {
		v.ports = kvs[0]
	}
	for _, answer := range answers[4:] {
		if kvs := answer.GetResponseRange().Kvs; len(kvs) > 0 {
			v.apiserver = string(kvs[0].Key)
		}
	}
	return v, nil
}

// unchanged is the condition that the view's object is still as it was seen.
func (v *view) unchanged() clientv3.Cmp {
	var revision int64
	if v.stored != nil {
		revision = v.stored.ModRevision
	}
	return clientv3.Compare(clientv3.ModRevision(v.key), "=", revision)
}

// networks returns the registry's portal networks in the order in which they
// are written: the first one's family is that of services which don't ask.
func (v *view) networks(l codec.Layout) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, kv := range v.cidrs {
		ref, ok := l.Ref(string(kv.Key))
		if !ok {
			continue
		}
		object, err := codec.Decode(ref, kv.Value)
		if err != nil {
			return nil, fmt.Errorf("portal networks at %s: %w", kv.Key, err)
		}
		networks = append(networks, object.(*registry.ServiceCIDR).Prefixes...)
	}
	return networks, nil
}
