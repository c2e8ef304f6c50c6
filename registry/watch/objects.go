package watch

import (
	"encoding/gob"
	"fmt"

	"github.com/svcreg/svcreg/registry"
)

// newObject returns an empty object of a kind that a Snapshot holds, or nil.
func newObject(k registry.Kind) registry.Object {
	switch k {
	case registry.KindService:
		return &registry.Service{}
	case registry.KindEndpoints, registry.KindEndpointSlice:
		return &registry.Endpoints{}
	case registry.KindPod:
		return &registry.Pod{}
	case registry.KindNode:
		return &registry.Node{}
	case registry.KindNamespace:
		return &registry.Namespace{}
	case registry.KindServiceCIDR:
		return &registry.ServiceCIDR{}
	}
	return nil
}

// encodeObject writes an object's kind, then the object.
func encodeObject(e *gob.Encoder, o registry.Object) error {
	if err := e.Encode(o.Ref().Kind); err != nil {
		return err
	}
	return e.Encode(o)
}

// decodeObject reads what encodeObject wrote.
func decodeObject(d *gob.Decoder) (registry.Object, error) {
	var kind registry.Kind
	if err := d.Decode(&kind); err != nil {
		return nil, err
	}
	o := newObject(kind)
	if o == nil {
		return nil, fmt.Errorf("%v: a snapshot doesn't hold this kind", kind)
	}
	if err := d.Decode(o); err != nil {
		return nil, err
	}
	return o, nil
}
