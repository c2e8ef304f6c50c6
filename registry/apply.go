package registry

import (
	"iter"
	"net/netip"
	"reflect"
	"slices"
)

// Change is one object's new state; a nil Object means that it is gone.
type Change struct {
	Ref
	Object Object
}

// Put returns the change that stores an object.
func Put(o Object) Change { return Change{o.Ref(), o} }

// Delete returns the change that removes an object.
func Delete(r Ref) Change { return Change{Ref: r} }

// Changes names what differs between two snapshots. A service is named when
// it or its endpoints changed, appeared or went away.
type Changes struct {
	Services, Pods, Nodes, Namespaces, ServiceCIDRs []Key
}

// Empty reports whether nothing changed.
func (c *Changes) Empty() bool {
	return len(c.Services)+len(c.Pods)+len(c.Nodes)+len(c.Namespaces)+len(c.ServiceCIDRs) == 0
}

// Build returns the snapshot of those objects.
func Build(revision int64, objects ...Object) *Snapshot {
	s, _ := (&Snapshot{}).Replace(revision, slices.Values(objects))
	return s
}

// Replace returns the snapshot that holds those objects and no others, and
// what makes it differ from s. Objects are compared by all they contain: a
// revision alone says nothing once etcd was restored from a backup.
func (s *Snapshot) Replace(revision int64, objects iter.Seq[Object]) (*Snapshot, *Changes) {
	var changes []Change
	keep := map[Ref]bool{}
	for o := range objects {
		keep[o.Ref()] = true
		if !reflect.DeepEqual(s.Object(o.Ref()), o) {
			changes = append(changes, Put(o))
		}
	}
	for o := range s.Objects() {
		if !keep[o.Ref()] {
			changes = append(changes, Delete(o.Ref()))
		}
	}
	return s.Apply(revision, changes...)
}

// Apply returns the snapshot after some changes, and what they touched. The
// cost is that of the changes, however large the registry.
func (s *Snapshot) Apply(revision int64, changes ...Change) (*Snapshot, *Changes) {
	u := update{Snapshot: *s}
	if len(changes) > 1 {
		u.owner = &owner{}
	}
	u.revision = revision
	for _, c := range changes {
		u.put(c)
	}
	u.touched.sort()
	for _, k := range u.touched.Services {
		u.rebuild(k)
	}
	return &u.Snapshot, &u.touched
}

// sort puts the keys in order and drops the second of equal ones.
func (c *Changes) sort() {
	for _, keys := range []*[]Key{&c.Services, &c.Pods, &c.Nodes, &c.Namespaces, &c.ServiceCIDRs} {
		slices.SortFunc(*keys, Key.Compare)
		*keys = slices.Compact(*keys)
	}
}

// update is a snapshot in the making.
type update struct {
	Snapshot
	owner   *owner
	touched Changes
}

func (u *update) put(c Change) {
	if c.Object == nil && u.Object(c.Ref) == nil {
		return // gone already
	}
	switch c.Kind {
	case KindService:
		set(u.owner, &u.services, c)
		u.touched.Services = append(u.touched.Services, c.Key)
	case KindEndpoints:
		set(u.owner, &u.endpoints, c)
		u.touched.Services = append(u.touched.Services, c.Key)
	case KindEndpointSlice:
		u.putSlice(c)
	case KindPod:
		u.putPod(c)
	case KindNode:
		set(u.owner, &u.nodes, c)
		u.touched.Nodes = append(u.touched.Nodes, c.Key)
	case KindNamespace:
		set(u.owner, &u.namespaces, c)
		u.touched.Namespaces = append(u.touched.Namespaces, c.Key)
	case KindServiceCIDR:
		set(u.owner, &u.serviceCIDRs, c)
		u.touched.ServiceCIDRs = append(u.touched.ServiceCIDRs, c.Key)
	}
}

// set stores or removes the object of a change in the map of its kind.
func set[V Object](o *owner, m *Map[Key, V], c Change) {
	if c.Object == nil {
		*m = m.without(o, c.Key)
	} else {
		*m = m.with(o, c.Key, c.Object.(V))
	}
}

func (u *update) putSlice(c Change) {
	if old, ok := u.slices.Get(c.Key); ok {
		u.regroup(old, nil)
	}
	set(u.owner, &u.slices, c)
	if c.Object != nil {
		u.regroup(nil, c.Object.(*Endpoints))
	}
}

// regroup takes a slice from its service, or gives one to it.
func (u *update) regroup(gone, came *Endpoints) {
	slice := gone
	if slice == nil {
		slice = came
	}
	if slice.Service.Name == "" {
		return
	}
	group, _ := u.slicesOf.Get(slice.Service)
	group = slices.DeleteFunc(slices.Clone(group), func(e *Endpoints) bool { return e.Key == slice.Key })
	if came != nil {
		i, _ := slices.BinarySearchFunc(group, came, func(a, b *Endpoints) int { return a.Key.Compare(b.Key) })
		group = slices.Insert(group, i, came)
	}
	u.slicesOf = u.slicesOf.with(u.owner, slice.Service, group)
	if len(group) == 0 {
		u.slicesOf = u.slicesOf.without(u.owner, slice.Service)
	}
	u.touched.Services = append(u.touched.Services, slice.Service)
}

func (u *update) putPod(c Change) {
	var from, to []netip.Addr
	if old, ok := u.pods.Get(c.Key); ok {
		from = old.IPs
	}
	if c.Object != nil {
		to = c.Object.(*Pod).IPs
	}
	if !slices.Equal(from, to) {
		u.podsByIP = u.podsByIP.move(u.owner, c.Key, slices.Values(from), slices.Values(to))
	}
	set(u.owner, &u.pods, c)
	u.touched.Pods = append(u.touched.Pods, c.Key)
}

// rebuild makes a service's entry anew from its parts, and indexes it.
func (u *update) rebuild(k Key) {
	old, _ := u.entries.Get(k)
	var entry *Entry
	if service, ok := u.services.Get(k); ok {
		entry = &Entry{Service: service, Subsets: u.subsets(k)}
		u.entries = u.entries.with(u.owner, k, entry)
	} else {
		u.entries = u.entries.without(u.owner, k)
	}
	u.count(k.Namespace, old, entry)
	u.byPortalIP = u.byPortalIP.move(u.owner, k, old.portalIPs(), entry.portalIPs())
	u.byEndpointIP = u.byEndpointIP.move(u.owner, k, old.endpointIPs(), entry.endpointIPs())
}

// count keeps the number of services of a namespace.
func (u *update) count(namespace string, old, entry *Entry) {
	if (old == nil) == (entry == nil) {
		return
	}
	n, _ := u.namespacesUsed.Get(namespace)
	switch {
	case old == nil:
		u.namespacesUsed = u.namespacesUsed.with(u.owner, namespace, n+1)
	case n == 1:
		u.namespacesUsed = u.namespacesUsed.without(u.owner, namespace)
	default:
		u.namespacesUsed = u.namespacesUsed.with(u.owner, namespace, n-1)
	}
}

// subsets returns what serves a service: its EndpointSlices if it has any,
// else its Endpoints.
func (u *update) subsets(k Key) []Subset {
	group, _ := u.slicesOf.Get(k)
	if len(group) == 0 {
		if endpoints, ok := u.endpoints.Get(k); ok {
			return endpoints.Subsets
		}
		return nil
	}
	var subsets []Subset
	for _, slice := range group {
		subsets = append(subsets, slice.Subsets...)
	}
	return subsets
}

// portalIPs yields an entry's portal IPs; none for a nil entry.
func (e *Entry) portalIPs() iter.Seq[netip.Addr] {
	if e == nil {
		return slices.Values[[]netip.Addr](nil)
	}
	return slices.Values(e.PortalIPs)
}

// endpointIPs yields the addresses of an entry's endpoints; none for a nil
// entry.
func (e *Entry) endpointIPs() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		if e == nil {
			return
		}
		for i := range e.Subsets {
			for j := range e.Subsets[i].Endpoints {
				if a := e.Subsets[i].Endpoints[j].Addr; a.IsValid() && !yield(a) {
					return
				}
			}
		}
	}
}
