package codec

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcreg/svcreg/registry"
)

// Merge carries over what the stored document of the same object has and this
// one doesn't say: fields that svcreg doesn't know (at the top level, in
// metadata and in spec), uid, creationTimestamp, status, and the portal IP
// that was allocated. A Service's conditions are never a document's own. A field
// that svcreg knows and this document leaves out is gone, as users of kubectl
// replace expect. Where the two are of different versions each field goes to the
// place it has in this one's.
//
// The error is a *LossError where a protobuf value has fields that this build
// can't write back; the document is unchanged then.
func (d *Document) Merge(stored *Document) error {
	if d.ref != stored.ref {
		return fmt.Errorf("%s can't take over fields of %s", d.ref, stored.ref)
	}
	if err := stored.Lossless(); err != nil {
		return err
	}
	merged, err := d.clone()
	if err != nil {
		return err
	}
	from, err := stored.clone() // so that the two never share a subtree
	if err != nil {
		return err
	}
	merged.carry(from)
	merged.keepIdentity(from)
	merged.carryPortalIPs(from)
	merged.carryConditions(from)
	merged.changed = true
	if _, err := merged.Value(); err != nil {
		return err
	}
	*d = *merged
	return nil
}

// clone returns a document that shares no fields with this one.
func (d *Document) clone() (*Document, error) {
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	c := *d
	c.tree = nil
	if err := c.tree.decode(text); err != nil {
		return nil, err
	}
	return &c, nil
}

// carry copies each unknown field of the stored document to its place.
func (d *Document) carry(stored *Document) {
	to, from := familyOf(d.version), familyOf(stored.version)
	switch {
	case from == flat && to == flat:
		d.tree.carry(stored.tree, knownFlat(d.ref.Kind))
	case from == nested && to == nested:
		d.carryPart("metadata", stored, knownMetadata)
		d.carryPart("spec", stored, knownSpec(d.ref.Kind))
		d.tree.carry(stored.tree, knownTop(d.ref.Kind))
	case to == flat:
		known := append(knownFlat(d.ref.Kind), knownSpec(d.ref.Kind)...)
		for _, part := range []string{"metadata", "spec"} {
			if fields, ok := stored.tree.peek(part); ok {
				d.tree.carry(fields, append(known, knownMetadata...))
			}
		}
		d.tree.carry(stored.tree, append(known, "metadata", "spec"))
	default:
		d.unfold(stored)
	}
}

// carryPart copies the unknown fields of metadata or spec.
func (d *Document) carryPart(name string, stored *Document, known []string) {
	fields, ok := stored.tree.peek(name)
	if !ok {
		return
	}
	part := tree{}
	if have, ok := d.tree.peek(name); ok {
		part = have
	}
	if part.carry(fields, known); len(part) > 0 {
		d.tree.set(name, map[string]any(part))
	}
}

// carry copies those fields of another object that this one hasn't and that
// are not among the known.
func (t tree) carry(from tree, known []string) {
	for name, v := range from {
		if !slices.ContainsFunc(known, foldsTo(name)) && t.silent(name) {
			t.set(name, v)
		}
	}
}

// silent reports whether a field says nothing. An empty status is what tools
// write into manifests that they make.
func (t tree) silent(name string) bool {
	v := t.get(name)
	return v == nil || name == "status" && hollow(v)
}

// hollow reports whether there is nothing in a value but empty objects.
func hollow(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return v == nil
	}
	for _, inner := range m {
		if !hollow(inner) {
			return false
		}
	}
	return true
}

// unfold copies the unknown fields of a flat document into metadata or spec.
// The status of a pod or a minion had another shape, so it is written anew.
func (d *Document) unfold(stored *Document) {
	meta, rest := tree{}, tree{}
	for name, v := range stored.tree {
		if slices.ContainsFunc(metadataNames, foldsTo(name)) {
			meta[name] = v
		} else {
			rest[name] = v
		}
	}
	rest.remove("currentState")
	rest.remove("status")
	d.tree.child("metadata").carry(meta, knownMetadata)
	place := d.tree
	if d.ref.Kind != registry.KindEndpoints {
		place = d.tree.child("spec")
	}
	place.carry(rest, append(knownFlat(d.ref.Kind), knownSpec(d.ref.Kind)...))
	if status := stored.todaysStatus(); status != nil && d.tree.silent("status") {
		d.tree.set("status", status)
	}
}

// todaysStatus returns the status that a pod or node has in v1, or nil.
func (d *Document) todaysStatus() any {
	if d.ref.Kind != registry.KindPod && d.ref.Kind != registry.KindNode {
		return nil
	}
	o, err := d.Object()
	if err != nil {
		return nil
	}
	var encoded tree
	if text, err := Encode(o); err != nil || encoded.decode(text) != nil {
		return nil
	}
	return encoded.get("status")
}

// carryPortalIPs keeps what was allocated to a service that asks for no
// address of its own, and the second address where it repeats the first.
func (d *Document) carryPortalIPs(stored *Document) {
	want, _ := newConversion("", d.ref).readTyped(d).(*corev1.Service)
	had, _ := newConversion("", d.ref).readTyped(stored).(*corev1.Service)
	if want == nil || had == nil || want.Spec.Type == corev1.ServiceTypeExternalName && len(want.Spec.Ports) == 0 || len(want.Spec.ClusterIPs) > 0 {
		return
	}
	s := &registry.Service{}
	newConversion("", d.ref).portalIPs(s, had)
	switch n := len(s.PortalIPs); {
	case n == 0:
	case want.Spec.ClusterIP == "", n > 1 && sameAddr(want.Spec.ClusterIP, s.PortalIPs[0]):
		d.SetPortalIPs(s.PortalIPs...)
	}
}

func sameAddr(text string, a netip.Addr) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Unmap() == a
}
