package endpoints

import (
	"context"
	"maps"
	"net/netip"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

const (
	// callTimeout bounds a call to etcd.
	callTimeout = 10 * time.Second
	// maxOps and maxBytes bound one transaction: etcd takes 128 operations and
	// 1.5 MiB unless it was told otherwise.
	maxOps, maxBytes = 60, 512 << 10
)

// result is how the work on a service went.
type result struct {
	receipt   // of what was written; its revision is zero for nothing
	refused   []refusal
	unserved  []registry.Port
	handMade  bool // the Endpoints object is somebody's own
	unchecked bool // the endpoints should be checked, and nobody does
	err       error
}

// sync brings the registry in step with what is wanted of a service.
func (n *controller) sync(ctx context.Context, k registry.Key, since time.Time) (r result) {
	service := n.snapshot.Spec(k)
	var groups []group
	if selected(service) {
		groups, r.refused = choose(service, n.podsOf(service), view{n.snapshot})
		r.unserved = unserved(service, groups)
		if external.Wanted(service.Annotations) {
			r.verdict = n.verdict(k)
			r.unchecked = r.verdict == "" && n.Unchecked
			withhold(service, groups, external.ParseFailing(r.verdict))
		}
	}
	have := n.standing(k)
	r.handMade = selected(service) && have.mirror != nil && !mirrored(have.mirror)
	p := planFor(service, groups, have, n.Config)
	p.stamp(since)
	r.revision, r.err = n.carryOut(ctx, &p)
	r.objects = len(have.own()) + p.creates() - len(p.deletes)
	return r
}

// view is what a snapshot says of what services stand in.
type view struct{ *registry.Snapshot }

func (v view) zone(node string) string { return zoneIn(v.Snapshot, node) }

func (v view) refuse(addr netip.Addr) string { return external.Refused(v.Snapshot, addr) }

// podsOf returns the pods that a service selects.
func (n *controller) podsOf(s *registry.Service) []*registry.Pod {
	var pods []*registry.Pod
	for name := range n.index.candidates(s.Namespace, s.Selector) {
		pod := n.snapshot.Pod(registry.Key{Namespace: s.Namespace, Name: name})
		if pod != nil && matches(s.Selector, pod.Labels) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// standing returns what the registry has of a service's endpoints.
func (n *controller) standing(k registry.Key) standing {
	have := standing{taken: func(slice registry.Key) bool {
		_, taken := n.snapshot.Record(registry.Ref{Kind: registry.KindEndpointSlice, Key: slice})
		return taken
	}}
	for slice := range n.snapshot.Slices(k) {
		if Own(slice) {
			have.slices = append(have.slices, slice)
		}
	}
	have.mirror, _ = n.snapshot.Object(registry.Ref{Kind: registry.KindEndpoints, Key: k}).(*registry.Endpoints)
	return have
}

// stamp writes into all objects when that happened which made them change, for
// those who measure how long it takes to get through.
func (p *plan) stamp(since time.Time) {
	for _, o := range p.puts {
		o.Annotations = maps.Clone(o.Annotations)
		if delete(o.Annotations, registry.TriggerAnnotation); since.IsZero() {
			continue
		}
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[registry.TriggerAnnotation] = since.UTC().Format(time.RFC3339Nano)
	}
}

// carryOut writes and deletes what a plan says: all at once, or where that is
// too much for one transaction, what is put before what is deleted. It returns
// the revision of the last transaction.
func (n *controller) carryOut(ctx context.Context, p *plan) (int64, error) {
	var revision int64
	var b batch
	flush := func() error {
		written, err := n.commit(ctx, &b)
		revision = max(revision, written)
		b = batch{}
		return err
	}
	add := func(o *registry.Endpoints, op clientv3.Op, size int) error {
		b.add(n.Layout, o, op, size)
		if len(b.also.Ops) < maxOps && b.bytes < maxBytes {
			return nil
		}
		return flush()
	}
	for _, o := range p.puts {
		giveIdentity(o)
		value, err := codec.Encode(o)
		if err == nil {
			err = add(o, clientv3.OpPut(n.Layout.Key(o.Ref()), string(value)), len(value))
		}
		if err != nil {
			return revision, err
		}
	}
	for _, o := range p.deletes {
		if err := add(o, clientv3.OpDelete(n.Layout.Key(o.Ref())), 0); err != nil {
			return revision, err
		}
	}
	return revision, flush()
}

// giveIdentity gives a new object what tells it from others of its name.
func giveIdentity(o *registry.Endpoints) {
	if o.ModRevision == 0 {
		o.UID, o.Created = string(uuid.NewUUID()), time.Now().Unix()
	}
}

// batch is a transaction in the making.
type batch struct {
	first         registry.Ref
	also          write.Also
	puts, deletes int
	bytes         int
}

// add adds an operation on an object, under the condition that the object is as
// it was seen: that it isn't there, if it is a new one.
func (b *batch) add(layout codec.Layout, o *registry.Endpoints, op clientv3.Op, size int) {
	if len(b.also.Ops) == 0 {
		b.first = o.Ref()
	}
	b.also.Conditions = append(b.also.Conditions, clientv3.Compare(clientv3.ModRevision(layout.Key(o.Ref())), "=", o.ModRevision))
	b.also.Ops = append(b.also.Ops, op)
	if b.bytes += size; op.IsPut() {
		b.puts++
	} else {
		b.deletes++
	}
}

// commit makes the transaction. It returns its revision.
func (n *controller) commit(ctx context.Context, b *batch) (int64, error) {
	if len(b.also.Ops) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	revision, err := n.writer.Amend(ctx, b.first, func(*codec.Document) (write.Also, error) { return b.also, nil })
	if err == nil {
		n.metrics.writes.WithLabelValues("put").Add(float64(b.puts))
		n.metrics.writes.WithLabelValues("delete").Add(float64(b.deletes))
	}
	return revision, err
}
