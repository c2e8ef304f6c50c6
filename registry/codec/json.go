package codec

import (
	"bytes"
	"encoding/json"
	"fmt"

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

func newWire(k registry.Kind, version string) wire {
	if familyOf(version) == flat {
		return newFlat(k)
	}
	return newNested(k, version)
}

func (c *conversion) readJSON(value []byte) *source {
	if first := bytes.TrimLeft(value, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		c.failWith(fmt.Errorf("%s: want a JSON object or Kubernetes protobuf", printable(string(value))))
		return nil
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
	DeletionTimestamp present           `json:"deletionTimestamp,omitempty"`
}

func (m *metaJSON) typed() metav1.ObjectMeta {
	meta := metav1.ObjectMeta{UID: types.UID(m.UID), Labels: m.Labels, Annotations: m.Annotations}
	if m.DeletionTimestamp {
		epoch := metav1.Unix(0, 0)
		meta.DeletionTimestamp = &epoch
	}
	return meta
}
