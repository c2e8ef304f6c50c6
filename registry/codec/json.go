package codec

import (
	"bytes"
	"encoding/json"
	"fmt"

	fast "github.com/go-json-experiment/json/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcreg/svcreg/registry"
)

// wire is an object as one family of versions writes it in JSON. It has only
// the fields that svcreg reads, so the others may hold anything. Names match
// in any case, as they did in Kubernetes before 1.8.
type wire interface {
	// read returns the object in its typed form.
	read(c *conversion) metav1.Object
}

// nestedWire is one that knows its version.
type nestedWire interface {
	wire
	is(k registry.Kind, version string) bool
}

func newWire(k registry.Kind, version string) wire {
	if familyOf(version) == flat {
		return newFlat(k)
	}
	return newNested(k, version)
}

// typeJSON is how an object says its kind and version since v1beta3.
type typeJSON struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
}

func (w *typeJSON) is(k registry.Kind, version string) bool {
	return w.Kind == k.String() && w.APIVersion == version
}

func (c *conversion) readJSON(value []byte) *source {
	if first := bytes.TrimLeft(value, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		c.failWith(fmt.Errorf("%s: want a JSON object or Kubernetes protobuf", printable(string(value))))
		return nil
	}
	if src := c.readToday(value); src != nil {
		return src
	}
	var h header
	if err := json.Unmarshal(value, &h); err != nil {
		c.failJSON(err)
		return nil
	}
	version := c.versionOf(&h)
	if version == "" {
		return nil
	}
	return c.readVersion(version, value)
}

// readToday reads a value that turns out to be in today's version, which saves
// looking for the version first; nil for any other and whatever is wrong. Most
// values are read here: by a faster library, which means the same.
func (c *conversion) readToday(value []byte) *source {
	if !bytes.Contains(value, []byte(`"metadata"`)) {
		return nil
	}
	version := versionsOf(c.ref.Kind)[0]
	w := newNested(c.ref.Kind, version)
	if err := fast.Unmarshal(value, w); err != nil || !w.is(c.ref.Kind, version) {
		return nil
	}
	return &source{typed: w.read(c), version: version}
}

// readVersion reads the JSON of an object whose version is known.
func (c *conversion) readVersion(version string, value []byte) *source {
	w := newWire(c.ref.Kind, version)
	if err := json.Unmarshal(value, w); err != nil {
		c.failJSON(err)
		return nil
	}
	c.naming = namesIn(version)
	return &source{typed: w.read(c), version: version}
}

// metaJSON is the metadata of all versions.
type metaJSON struct {
	UID               string            `json:"uid,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	CreationTimestamp instant           `json:"creationTimestamp,omitempty"`
	DeletionTimestamp present           `json:"deletionTimestamp,omitempty"`
}

func (m *metaJSON) typed() metav1.ObjectMeta {
	meta := metav1.ObjectMeta{UID: types.UID(m.UID), Labels: m.Labels, Annotations: m.Annotations}
	if m.CreationTimestamp != 0 {
		meta.CreationTimestamp = metav1.Unix(int64(m.CreationTimestamp), 0)
	}
	if m.DeletionTimestamp {
		epoch := metav1.Unix(0, 0)
		meta.DeletionTimestamp = &epoch
	}
	return meta
}
