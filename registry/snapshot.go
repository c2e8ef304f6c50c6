package registry

import (
	"iter"
	"net/netip"
	"slices"
)

// Snapshot is an immutable view of a registry at one revision. It holds
// records and makes objects of them when they are asked for, so that a large
// registry takes little memory and the garbage collector finds little to do.
// Apply makes the next snapshot, which shares with this one all that did not
// change. Nothing here takes a lock. The zero Snapshot is an empty registry.
type Snapshot struct {
	revision int64
	records  [heldKinds]Map[Key, string] // by kind: the data of each object

	slicesOf   index[Key, Key]        // the EndpointSlices of each service
	byPortalIP index[netip.Addr, Key] // services
	podsByIP   index[netip.Addr, Key] // the unfinished ones
	namespaces Map[string, population]
}

// heldKinds is the first kind that a Snapshot doesn't hold.
const heldKinds = KindIPAddress

func held(k Kind) bool { return k > 0 && k < heldKinds }

// population is how much there is in a namespace.
type population struct {
	name                    string
	objects, services, pods int
}

// Revision returns the etcd revision that the snapshot stands at.
func (s *Snapshot) Revision() int64 { return s.revision }

// Empty reports whether the snapshot holds no object.
func (s *Snapshot) Empty() bool {
	for range s.Records() {
		return false
	}
	return true
}

// Service returns the service of that key with its endpoints, or nil.
func (s *Snapshot) Service(k Key) *Entry {
	e := s.records[KindService].find(k)
	if e == nil {
		return nil
	}
	return s.entry(e.key, e.value)
}

// Services yields every service with its endpoints, in no order.
func (s *Snapshot) Services() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for k, data := range s.records[KindService].All() {
			if !yield(s.entry(k, data)) {
				return
			}
		}
	}
}

func (s *Snapshot) entry(k Key, data string) *Entry { return s.Entry(unpackService(k, data)) }

// Spec returns the service of that key without its endpoints, or nil.
func (s *Snapshot) Spec(k Key) *Service { return get[*Service](s, KindService, k) }

// Specs yields every service without its endpoints, in no order: for those who
// need the endpoints of few services, or none.
func (s *Snapshot) Specs() iter.Seq[*Service] { return all[*Service](s, KindService) }

// Entry returns a service of this snapshot together with its endpoints.
func (s *Snapshot) Entry(service *Service) *Entry { return &Entry{service, s.subsets(service.Key)} }

// subsets returns what serves a service: its EndpointSlices if it has any, in
// the order of their names, else its Endpoints.
func (s *Snapshot) subsets(k Key) []Subset {
	set, sliced := s.slicesOf.sets.Get(k)
	switch {
	case !sliced:
		return s.subsetsIn(KindEndpoints, k)
	case !set.several():
		return s.subsetsIn(KindEndpointSlice, set.one)
	}
	var subsets []Subset
	for _, slice := range slices.SortedFunc(set.all(), Key.Compare) {
		subsets = append(subsets, s.subsetsIn(KindEndpointSlice, slice)...)
	}
	return subsets
}

// Slices yields the EndpointSlices of a service, in no order, whether the
// service itself exists or not.
func (s *Snapshot) Slices(service Key) iter.Seq[*Endpoints] {
	return func(yield func(*Endpoints) bool) {
		set, ok := s.slicesOf.sets.Get(service)
		if !ok {
			return
		}
		for slice := range set.all() {
			if !yield(get[*Endpoints](s, KindEndpointSlice, slice)) {
				return
			}
		}
	}
}

// subsetsIn returns the subsets of one object, if it is there.
func (s *Snapshot) subsetsIn(kind Kind, k Key) []Subset {
	e := s.records[kind].find(k)
	if e == nil {
		return nil
	}
	return unpackSubsets(e.key, e.value)
}

// ByPortalIP returns the service that holds a portal IP, or nil; see
// PortalIPHolder.
func (s *Snapshot) ByPortalIP(addr netip.Addr) *Entry {
	k, ok := s.PortalIPHolder(addr)
	if !ok {
		return nil
	}
	return s.Service(k)
}

// PortalIPHolder returns the key of the service that holds a portal IP, and
// whether there is one. Where several claim it the one that was created first
// holds it. It allocates nothing as long as only one does.
func (s *Snapshot) PortalIPHolder(addr netip.Addr) (Key, bool) {
	set, ok := s.byPortalIP.sets.Get(addr)
	if !ok || !set.several() {
		return set.one, ok
	}
	var first *Meta
	for k := range set.all() {
		data, _ := s.records[KindService].Get(k)
		if m := unpackMeta(Ref{KindService, k}, data); first == nil || m.Before(first) {
			first = m
		}
	}
	return first.Key, true
}

// HasNamespace reports whether a namespace exists: it has an object of its own
// or at least one service. It allocates nothing.
func (s *Snapshot) HasNamespace(name string) bool {
	if p, _ := s.namespaces.Get(name); p.services > 0 {
		return true
	}
	return s.records[KindNamespace].find(Key{Name: name}) != nil
}

// Namespace returns the Namespace object of that name, or nil.
func (s *Snapshot) Namespace(name string) *Namespace {
	return get[*Namespace](s, KindNamespace, Key{Name: name})
}

// Pod returns the pod of that key, or nil.
func (s *Snapshot) Pod(k Key) *Pod { return get[*Pod](s, KindPod, k) }

// Pods yields every pod, in no order.
func (s *Snapshot) Pods() iter.Seq[*Pod] { return all[*Pod](s, KindPod) }

// Node returns the node of that name, or nil.
func (s *Snapshot) Node(name string) *Node { return get[*Node](s, KindNode, Key{Name: name}) }

// Nodes yields every node, in no order.
func (s *Snapshot) Nodes() iter.Seq[*Node] { return all[*Node](s, KindNode) }

// PortalNetworks returns the networks that portal IPs are taken from, sorted.
func (s *Snapshot) PortalNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for c := range all[*ServiceCIDR](s, KindServiceCIDR) {
		networks = append(networks, c.Prefixes...)
	}
	slices.SortFunc(networks, netip.Prefix.Compare)
	return slices.Compact(networks)
}

// Records yields the record of every object, in no order. Given to Replace
// they make this snapshot again.
func (s *Snapshot) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for kind := range heldKinds {
			for k, data := range s.records[kind].All() {
				if !yield(Record{Ref{kind, k}, data}) {
					return
				}
			}
		}
	}
}

// Record returns the record of one object, and whether there is one.
func (s *Snapshot) Record(r Ref) (Record, bool) {
	if !held(r.Kind) {
		return Record{}, false
	}
	e := s.records[r.Kind].find(r.Key)
	if e == nil {
		return Record{}, false
	}
	return Record{Ref{r.Kind, e.key}, e.value}, true
}

// Objects yields every object of the snapshot, in no order.
func (s *Snapshot) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for r := range s.Records() {
			if !yield(r.Object()) {
				return
			}
		}
	}
}

// Object returns one object as the registry has it, or nil.
func (s *Snapshot) Object(r Ref) Object {
	if record, ok := s.Record(r); ok {
		return record.Object()
	}
	return nil
}

// Count returns how many objects of a kind there are.
func (s *Snapshot) Count(kind Kind) int {
	if !held(kind) {
		return 0
	}
	return s.records[kind].Len()
}

// get returns an object of a known type, or nil.
func get[T Object](s *Snapshot, kind Kind, k Key) (o T) {
	if r, ok := s.Record(Ref{kind, k}); ok {
		o = r.Object().(T)
	}
	return o
}

// all yields the objects of a kind.
func all[T Object](s *Snapshot, kind Kind) iter.Seq[T] {
	return func(yield func(T) bool) {
		for k, data := range s.records[kind].All() {
			if !yield(Record{Ref{kind, k}, data}.Object().(T)) {
				return
			}
		}
	}
}
