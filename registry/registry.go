// Package registry is the model of a service registry: what services,
// endpoints, pods, nodes and namespaces are, free of how they are stored, and
// Snapshot, an immutable view of all of them at one revision.
//
// The package knows no etcd, no encoding and no clock. Package codec turns
// etcd keys and values into these types, package watch keeps a Snapshot
// current, package write changes what is stored.
package registry

import (
	"cmp"
	"fmt"
)

// Key names an object: its namespace and its name. Objects that belong to no
// namespace, such as nodes, have an empty one.
type Key struct {
	Namespace, Name string
}

// String returns "namespace/name", or the bare name of an object that belongs
// to no namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// Compare orders keys by namespace, then by name.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Namespace, other.Namespace), cmp.Compare(k.Name, other.Name))
}

// Kind is the sort of an object.
type Kind uint8

// The kinds a registry holds, as Kubernetes names them.
const (
	KindService Kind = iota + 1
	KindEndpoints
	KindEndpointSlice
	KindPod
	KindNode // Minion in v1beta1 and v1beta2
	KindNamespace
	KindServiceCIDR
	KindIPAddress
)

var kindNames = [...]string{"", "Service", "Endpoints", "EndpointSlice", "Pod", "Node", "Namespace", "ServiceCIDR", "IPAddress"}

// String returns the kind's name in today's API, such as "EndpointSlice".
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Ref points at one object of the registry.
type Ref struct {
	Kind Kind
	Key
}

// String returns the kind and the key, such as "Service my-ns/my-service".
func (r Ref) String() string { return r.Kind.String() + " " + r.Key.String() }

// Object is anything a registry stores: *Service, *Endpoints, *Pod, *Node,
// *Namespace, *ServiceCIDR or *IPAddress. Objects are immutable once they
// stand in a Snapshot.
type Object interface {
	// Ref says which object this is.
	Ref() Ref
	// Metadata returns what all kinds have in common.
	Metadata() *Meta
}

// Meta is what all objects have in common.
type Meta struct {
	Kind Kind
	Key
	UID string
	// Created is when the object was created, in Unix seconds; zero where
	// nobody wrote that down.
	Created     int64
	Labels      map[string]string
	Annotations map[string]string

	// APIVersion is the version the object is stored in, such as "v1beta1",
	// "v1" or "discovery.k8s.io/v1".
	APIVersion string
	// Protobuf says that the object is stored as Kubernetes protobuf, which
	// an apiserver writes, and not as JSON.
	Protobuf bool

	// CreateRevision and ModRevision are the etcd revisions at which the key
	// was created and last written; zero where the object is not from etcd.
	CreateRevision, ModRevision int64
}

// Ref says which object this is.
func (m *Meta) Ref() Ref { return Ref{m.Kind, m.Key} }

// Metadata returns the receiver.
func (m *Meta) Metadata() *Meta { return m }

// Before reports whether this object was created before another of its kind,
// and so holds an address that both want. Objects created at the same revision
// are ordered by their keys.
func (m *Meta) Before(other Object) bool {
	o := other.Metadata()
	return cmp.Or(cmp.Compare(m.CreateRevision, o.CreateRevision), m.Key.Compare(o.Key)) < 0
}
