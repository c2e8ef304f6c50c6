package registry

import (
	"iter"
	"net/netip"
	"slices"
)

// Snapshot is an immutable view of a registry at one revision. Looking things
// up takes no lock and allocates nothing; Apply makes the next snapshot, which
// shares with this one all that did not change. The zero Snapshot is an empty
// registry.
type Snapshot struct {
	revision int64

	services     Map[Key, *Service]
	endpoints    Map[Key, *Endpoints]
	slices       Map[Key, *Endpoints]
	pods         Map[Key, *Pod]
	nodes        Map[Key, *Node]
	namespaces   Map[Key, *Namespace]
	serviceCIDRs Map[Key, *ServiceCIDR]

	entries        Map[Key, *Entry]
	slicesOf       Map[Key, []*Endpoints] // by service, in the order of names
	byPortalIP     index[netip.Addr, Key]
	byEndpointIP   index[netip.Addr, Key]
	podsByIP       index[netip.Addr, Key]
	namespacesUsed Map[string, int] // how many services each namespace has
}

// Revision returns the etcd revision that the snapshot stands at.
func (s *Snapshot) Revision() int64 { return s.revision }

// Service returns the service of that key with its endpoints, or nil.
func (s *Snapshot) Service(k Key) *Entry {
	e, _ := s.entries.Get(k)
	return e
}

// Services yields every service, in no order.
func (s *Snapshot) Services() iter.Seq[*Entry] { return values(s.entries) }

// ByPortalIP returns the service that holds a portal IP, or nil. Where several
// claim it the one that was created first holds it.
func (s *Snapshot) ByPortalIP(addr netip.Addr) *Entry {
	set, ok := s.byPortalIP.sets.Get(addr)
	if !ok {
		return nil
	}
	holder := s.Service(set.one)
	if set.more.Len() > 0 {
		holder = s.oldest(holder, set.more)
	}
	return holder
}

// oldest returns the service that was created first.
func (s *Snapshot) oldest(holder *Entry, others Map[Key, struct{}]) *Entry {
	for k := range others.All() {
		if e := s.Service(k); e.Before(holder.Service) {
			holder = e
		}
	}
	return holder
}

// ByEndpointIP returns the services that have an endpoint at that address, in
// the order of their keys.
func (s *Snapshot) ByEndpointIP(addr netip.Addr) []*Entry {
	var entries []*Entry
	for k := range s.byEndpointIP.at(addr) {
		entries = append(entries, s.Service(k))
	}
	slices.SortFunc(entries, func(a, b *Entry) int { return a.Key.Compare(b.Key) })
	return entries
}

// HasNamespace reports whether a namespace exists: it has an object of its own
// or at least one service.
func (s *Snapshot) HasNamespace(name string) bool {
	if n, _ := s.namespacesUsed.Get(name); n > 0 {
		return true
	}
	return s.Namespace(name) != nil
}

// Namespace returns the Namespace object of that name, or nil.
func (s *Snapshot) Namespace(name string) *Namespace {
	n, _ := s.namespaces.Get(Key{Name: name})
	return n
}

// Pod returns the pod of that key, or nil.
func (s *Snapshot) Pod(k Key) *Pod {
	p, _ := s.pods.Get(k)
	return p
}

// PodByIP returns the unfinished pod at that address, or nil. Where several
// claim it, as those on the host's network do, the one created first wins.
func (s *Snapshot) PodByIP(addr netip.Addr) *Pod {
	var holder *Pod
	for k := range s.podsByIP.at(addr) {
		if p := s.Pod(k); !p.Finished && (holder == nil || p.Before(holder)) {
			holder = p
		}
	}
	return holder
}

// Pods yields every pod, in no order.
func (s *Snapshot) Pods() iter.Seq[*Pod] { return values(s.pods) }

// Node returns the node of that name, or nil.
func (s *Snapshot) Node(name string) *Node {
	n, _ := s.nodes.Get(Key{Name: name})
	return n
}

// Nodes yields every node, in no order.
func (s *Snapshot) Nodes() iter.Seq[*Node] { return values(s.nodes) }

// PortalNetworks returns the networks that portal IPs are taken from, sorted.
func (s *Snapshot) PortalNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for c := range values(s.serviceCIDRs) {
		networks = append(networks, c.Prefixes...)
	}
	slices.SortFunc(networks, netip.Prefix.Compare)
	return slices.Compact(networks)
}

// Objects yields every object of the snapshot, in no order. Applied to an
// empty Snapshot they make this one again.
func (s *Snapshot) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		_ = each(s.services, yield) && each(s.endpoints, yield) && each(s.slices, yield) &&
			each(s.pods, yield) && each(s.nodes, yield) && each(s.namespaces, yield) && each(s.serviceCIDRs, yield)
	}
}

// Object returns one object as the registry has it, or nil.
func (s *Snapshot) Object(r Ref) Object {
	switch r.Kind {
	case KindService:
		return get(s.services, r.Key)
	case KindEndpoints:
		return get(s.endpoints, r.Key)
	case KindEndpointSlice:
		return get(s.slices, r.Key)
	case KindPod:
		return get(s.pods, r.Key)
	case KindNode:
		return get(s.nodes, r.Key)
	case KindNamespace:
		return get(s.namespaces, r.Key)
	case KindServiceCIDR:
		return get(s.serviceCIDRs, r.Key)
	}
	return nil
}

// Count returns how many objects of a kind there are.
func (s *Snapshot) Count(kind Kind) int {
	switch kind {
	case KindService:
		return s.services.Len()
	case KindEndpoints:
		return s.endpoints.Len()
	case KindEndpointSlice:
		return s.slices.Len()
	case KindPod:
		return s.pods.Len()
	case KindNode:
		return s.nodes.Len()
	case KindNamespace:
		return s.namespaces.Len()
	case KindServiceCIDR:
		return s.serviceCIDRs.Len()
	}
	return 0
}

func values[K comparable, V any](m Map[K, V]) iter.Seq[V] {
	return func(yield func(V) bool) { each(m, yield) }
}

func each[K comparable, V any, E any](m Map[K, V], yield func(E) bool) bool {
	for _, v := range m.All() {
		if !yield(any(v).(E)) {
			return false
		}
	}
	return true
}

// get returns an untyped nil where there is no such object.
func get[V Object](m Map[Key, V], k Key) Object {
	if v, ok := m.Get(k); ok {
		return v
	}
	return nil
}
