package watch

import (
	"log/slog"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// decoder turns keys and values into objects. It remembers what it could not
// read, to report each such value once.
type decoder struct {
	layout codec.Layout
	kinds  map[registry.Kind]bool
	bad    map[registry.Ref]int64 // the revision of each value that can't be read
	logger *slog.Logger
	status *tracker
}

func newDecoder(layout codec.Layout, kinds []registry.Kind, logger *slog.Logger, status *tracker) *decoder {
	d := &decoder{layout, map[registry.Kind]bool{}, map[registry.Ref]int64{}, logger, status}
	for _, k := range kinds {
		d.kinds[k] = true
	}
	return d
}

// changes returns what some events change. An event with a value that can't
// be read changes nothing: the last good object stays.
func (d *decoder) changes(events []*clientv3.Event) []registry.Change {
	changes := make([]registry.Change, 0, len(events))
	for _, e := range events {
		r, ok := d.ref(e.Kv)
		if !ok {
			continue
		}
		if e.Type == clientv3.EventTypeDelete {
			delete(d.bad, r)
			changes = append(changes, registry.Delete(r))
		} else if o := d.object(r, e.Kv); o != nil {
			changes = append(changes, registry.Put(o))
		}
	}
	d.status.undecodable(len(d.bad))
	return changes
}

// ref returns which object a key holds, or false if nobody wants it.
func (d *decoder) ref(kv *mvccpb.KeyValue) (registry.Ref, bool) {
	r, ok := d.layout.Ref(string(kv.Key))
	return r, ok && d.kinds[r.Kind]
}

// object decodes a value, or reports that it can't be read and returns nil.
func (d *decoder) object(r registry.Ref, kv *mvccpb.KeyValue) registry.Object {
	o, err := codec.Decode(r, kv.Value)
	if err != nil {
		d.fail(r, kv, err)
		return nil
	}
	delete(d.bad, r)
	meta := o.Metadata()
	meta.CreateRevision, meta.ModRevision = kv.CreateRevision, kv.ModRevision
	return o
}

func (d *decoder) fail(r registry.Ref, kv *mvccpb.KeyValue, err error) {
	if d.bad[r] == kv.ModRevision {
		return
	}
	d.bad[r] = kv.ModRevision
	d.status.decodeFailed(r.Kind)
	d.logger.Error("a value in etcd is ignored: what was known before stays",
		"key", string(kv.Key), "revision", kv.ModRevision, "error", err)
}

// forget drops what is remembered about values that are no longer there.
func (d *decoder) forget(there func(registry.Ref) bool) {
	for r := range d.bad {
		if !there(r) {
			delete(d.bad, r)
		}
	}
	d.status.undecodable(len(d.bad))
}
