package watch

import (
	"log/slog"
	"maps"

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
	trim   func(registry.Object)
	bad    map[registry.Ref]int64 // the revision of each value that can't be read
	logger *slog.Logger
	status *tracker
}

func newDecoder(c *Config, status *tracker) *decoder {
	d := &decoder{c.Layout, map[registry.Kind]bool{}, c.Trim, map[registry.Ref]int64{}, c.Logger, status}
	for _, k := range c.Kinds {
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
			continue
		}
		o, err := d.object(r, e.Kv)
		if err != nil {
			d.fail(&failure{r, e.Kv, err})
			continue
		}
		delete(d.bad, r)
		changes = append(changes, registry.Put(o))
	}
	d.status.undecodable(len(d.bad))
	return changes
}

// ref returns which object a key holds, or false if nobody wants it.
func (d *decoder) ref(kv *mvccpb.KeyValue) (registry.Ref, bool) {
	r, ok := d.layout.Ref(string(kv.Key))
	return r, ok && d.kinds[r.Kind]
}

// object decodes a value. It changes nothing: several may do so at once.
func (d *decoder) object(r registry.Ref, kv *mvccpb.KeyValue) (registry.Object, error) {
	o, err := codec.Decode(r, kv.Value)
	if err != nil {
		return nil, err
	}
	meta := o.Metadata()
	meta.CreateRevision, meta.ModRevision = kv.CreateRevision, kv.ModRevision
	d.trim(o)
	return o, nil
}

// failure is a value that can't be read.
type failure struct {
	ref registry.Ref
	kv  *mvccpb.KeyValue
	err error
}

// fail reports a value that can't be read, unless that was done.
func (d *decoder) fail(f *failure) {
	if d.bad[f.ref] == f.kv.ModRevision {
		return
	}
	d.bad[f.ref] = f.kv.ModRevision
	d.status.decodeFailed(f.ref.Kind)
	d.logger.Error("a value in etcd is ignored: what was known before stays",
		"key", string(f.kv.Key), "revision", f.kv.ModRevision, "error", f.err)
}

// failed reports which values of a list can't be read, and forgets those of
// before.
func (d *decoder) failed(failures []*failure) {
	there := map[registry.Ref]bool{}
	for _, f := range failures {
		d.fail(f)
		there[f.ref] = true
	}
	maps.DeleteFunc(d.bad, func(r registry.Ref, _ int64) bool { return !there[r] })
	d.status.undecodable(len(d.bad))
}
