package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/registry"
)

// Document is one object as somebody wrote it: its API version and all its
// fields, those that svcreg doesn't know too. It is what a writer stores.
type Document struct {
	file    string
	ref     registry.Ref
	version string
	tree    tree // every field; numbers as they were written
	// original is the protobuf value that the document was read from, which
	// stays what is stored unless changed says that tree differs.
	original []byte
	changed  bool
	// text is the JSON value that the document was read from; nil for another.
	text []byte
	// verbatim says that of text only what has changed is to be written anew.
	verbatim bool
}

// ParseValue reads a stored value. The document is of the object r, whatever
// the value says.
func ParseValue(r registry.Ref, value []byte) (*Document, error) {
	c := newConversion("", r)
	d := c.document(value)
	if err := c.err(); err != nil {
		return nil, err
	}
	if !d.Protobuf() {
		d.text = value
	}
	return d, nil
}

// document reads a value of any encoding; nil where that failed.
func (c *conversion) document(value []byte) *Document {
	src := c.read(value)
	if src == nil {
		return nil
	}
	d := &Document{file: c.file, ref: c.ref, version: src.version}
	if src.protobuf {
		d.original = value
		value = c.protobufJSON(value)
	}
	if err := d.tree.decode(value); err != nil {
		c.failWith(err)
		return nil
	}
	return d
}

// protobufJSON returns the JSON of a protobuf value.
func (c *conversion) protobufJSON(value []byte) []byte {
	u := c.readEnvelope(value)
	m := c.readMessage(u)
	m.GetObjectKind().SetGroupVersionKind(u.TypeMeta.GroupVersionKind())
	text, err := json.Marshal(m)
	if err != nil {
		c.failWith(fmt.Errorf("protobuf: %w", err))
	}
	return text
}

// Ref says which object this is. Where no namespace is written it is
// "default", for the kinds that have one.
func (d *Document) Ref() registry.Ref { return d.ref }

// File returns where the document was read from; empty for a stored value.
func (d *Document) File() string { return d.file }

// APIVersion returns the version that the document is written in.
func (d *Document) APIVersion() string { return d.version }

// Protobuf reports whether the document is stored as Kubernetes protobuf.
func (d *Document) Protobuf() bool { return d.original != nil }

// SetNamespace writes a namespace where the document names none. Kinds without
// namespaces stay as they are.
func (d *Document) SetNamespace(ns string) {
	meta := d.metadata()
	if !Namespaced(d.ref.Kind) || meta.text("namespace") != "" {
		return
	}
	meta.set("namespace", ns)
	d.ref.Namespace = ns
	d.changed = true
}

// Object returns the model of the document. The error is that of Decode, with
// the file's name.
func (d *Document) Object() (registry.Object, error) {
	c := newConversion(d.file, d.ref)
	src := c.readTree(d)
	if src == nil {
		return nil, c.err()
	}
	o := c.object(src)
	if err := c.err(); err != nil {
		return nil, err
	}
	return o, nil
}

// readTree reads the document's typed form.
func (c *conversion) readTree(d *Document) *source {
	text, err := d.JSON()
	if err != nil {
		c.failWith(err)
		return nil
	}
	src := c.readVersion(d.version, text)
	if src != nil {
		src.protobuf = d.Protobuf()
	}
	return src
}

// readTyped reads the object's typed form; nil where that failed.
func (c *conversion) readTyped(d *Document) metav1.Object {
	if src := c.readTree(d); src != nil {
		return src.typed
	}
	return nil
}

// SetPortalIPs writes a Service's portal IPs where its version has them. With
// none it removes them. v1beta1, v1beta2 and v1beta3 have room for one only,
// the first.
func (d *Document) SetPortalIPs(addrs ...netip.Addr) {
	place, field := d.spec(), "portalIP"
	if d.version == v1 {
		field = "clusterIP"
		place.remove("clusterIPs")
	}
	place.remove("portalIP")
	place.remove("clusterIP")
	if len(addrs) > 0 {
		place.set(field, addrs[0].String())
		if d.version == v1 {
			place.set("clusterIPs", anys(texts(addrs)))
		}
	}
	d.changed = true
}

// Value returns what to store: JSON in the document's own version, or protobuf
// where it was that. The error is a *LossError for protobuf that was changed
// and has fields this build doesn't know.
func (d *Document) Value() ([]byte, error) {
	switch {
	case d.verbatim && d.text != nil:
		return d.patched()
	case d.original == nil:
		return d.JSON()
	case !d.changed:
		return d.original, nil
	}
	if err := d.Lossless(); err != nil {
		return nil, err
	}
	m := newMessage(d.ref.Kind, d.version)
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	if err := decodeStrictly(text, m); err != nil {
		return nil, &LossError{d.ref, err.Error()}
	}
	return marshalProtobuf(d.ref.Kind, d.version, m)
}

// patched returns the JSON that the document was read from, with what has
// changed since.
func (d *Document) patched() ([]byte, error) {
	var old tree
	err := old.decode(d.text)
	if err == nil {
		var text []byte
		if text, err = patch(d.text, old, d.tree); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", d.ref, err)
}

// JSON returns the document as JSON, without white space. Fields are in the
// order of their names.
func (d *Document) JSON() ([]byte, error) {
	text, err := d.tree.encode()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.ref, err)
	}
	return text, nil
}

// Equal reports whether two documents hold the same, in the same version and
// encoding, whatever the order of the fields.
func (d *Document) Equal(other *Document) bool {
	mine, err1 := d.JSON()
	theirs, err2 := other.JSON()
	return errors.Join(err1, err2) == nil && d.Protobuf() == other.Protobuf() && string(mine) == string(theirs)
}

// metadata returns where the document's version has an object's metadata.
func (d *Document) metadata() tree {
	if familyOf(d.version) == flat {
		return d.tree
	}
	return d.tree.child("metadata")
}

// spec returns where the document's version has what is wanted.
func (d *Document) spec() tree {
	if familyOf(d.version) == flat {
		return d.tree
	}
	return d.tree.child("spec")
}

// marshalProtobuf writes a message as an apiserver stores it.
func marshalProtobuf(k registry.Kind, version string, m message) ([]byte, error) {
	raw, err := m.Marshal()
	if err != nil {
		return nil, fmt.Errorf("protobuf: %w", err)
	}
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: version, Kind: k.String()}, Raw: raw}
	value, err := u.Marshal()
	if err != nil {
		return nil, fmt.Errorf("protobuf: %w", err)
	}
	return append([]byte(protobufMagic), value...), nil
}
