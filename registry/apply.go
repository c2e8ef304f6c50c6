package registry

import (
	"iter"
	"slices"
	"strings"
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

// sort puts the keys in order and drops the second of equal ones.
func (c *Changes) sort() {
	for _, keys := range []*[]Key{&c.Services, &c.Pods, &c.Nodes, &c.Namespaces, &c.ServiceCIDRs} {
		slices.SortFunc(*keys, Key.Compare)
		*keys = slices.Clip(slices.Compact(*keys))
	}
}

// Build returns the snapshot of those objects. Of a kind that a Snapshot
// doesn't hold it takes none.
func Build(revision int64, objects ...Object) *Snapshot {
	u := (&Snapshot{}).edit(revision, &owner{})
	for _, o := range objects {
		u.put(Pack(o))
	}
	s, _ := u.done()
	return s
}

// Replace returns the snapshot that holds those objects and no others, and
// what makes it differ from s. Objects are compared by all they contain: a
// revision alone says nothing once etcd was restored from a backup.
func (s *Snapshot) Replace(revision int64, records iter.Seq[Record]) (*Snapshot, *Changes) {
	u := s.edit(revision, &owner{})
	keep := map[Ref]bool{}
	for r := range records {
		u.put(r)
		if !s.Empty() {
			keep[r.Ref] = true
		}
	}
	for r := range s.Records() {
		if !keep[r.Ref] {
			u.put(Record{Ref: r.Ref})
		}
	}
	return u.done()
}

// Apply returns the snapshot after some changes, and what they touched: an
// object that is put as it is isn't. The cost is that of the changes, however
// large the registry.
func (s *Snapshot) Apply(revision int64, changes ...Change) (*Snapshot, *Changes) {
	var o *owner
	if len(changes) > 1 {
		o = &owner{}
	}
	u := s.edit(revision, o)
	for _, c := range changes {
		if c.Object == nil {
			u.put(Record{Ref: c.Ref})
		} else {
			u.put(Pack(c.Object))
		}
	}
	return u.done()
}

// update is a snapshot in the making.
type update struct {
	Snapshot
	owner   *owner
	touched Changes
}

func (s *Snapshot) edit(revision int64, o *owner) *update {
	u := &update{Snapshot: *s, owner: o}
	u.revision = revision
	return u
}

func (u *update) done() (*Snapshot, *Changes) {
	u.touched.sort()
	next, touched := u.Snapshot, u.touched
	return &next, &touched
}

// put stores a record, or removes the object of one without data. The strings
// of its key are not kept: who knows what they are part of.
func (u *update) put(r Record) {
	if !held(r.Kind) {
		return
	}
	old := ""
	if e := u.records[r.Kind].find(r.Key); e != nil {
		r.Key, old = e.key, e.value
	}
	if old == r.data {
		return
	}
	if old == "" {
		r.Key = Key{u.namespace(r.Namespace), strings.Clone(r.Name)}
	}
	u.count(r, old)
	u.reindex(r, old)
	if r.data == "" {
		u.records[r.Kind] = u.records[r.Kind].without(u.owner, r.Key)
	} else {
		u.records[r.Kind] = u.records[r.Kind].with(u.owner, r.Key, r.data)
	}
}

// namespace returns the one copy of a namespace's name that all its keys
// share.
func (u *update) namespace(name string) string {
	if p, ok := u.namespaces.Get(name); ok {
		return p.name
	}
	return strings.Clone(name)
}

// count keeps how much there is in the namespace of an object that comes or
// goes.
func (u *update) count(r Record, old string) {
	var n int
	switch {
	case old == "":
		n = 1
	case r.data == "":
		n = -1
	default:
		return
	}
	p, _ := u.namespaces.Get(r.Namespace)
	p.name = r.Namespace
	p.objects += n
	switch r.Kind {
	case KindService:
		p.services += n
	case KindPod:
		p.pods += n
	}
	if p.objects == 0 {
		u.namespaces = u.namespaces.without(u.owner, p.name)
	} else {
		u.namespaces = u.namespaces.with(u.owner, p.name, p)
	}
}

// reindex has the indexes follow an object, and notes what that touches.
func (u *update) reindex(r Record, old string) {
	touched := &u.touched
	switch r.Kind {
	case KindService:
		u.byPortalIP = u.byPortalIP.move(u.owner, r.Key, portalIPs(r.Key, old), portalIPs(r.Key, r.data))
		touched.Services = append(touched.Services, r.Key)
	case KindEndpoints:
		touched.Services = append(touched.Services, r.Key)
	case KindEndpointSlice:
		u.regroup(r.Key, old, r.data)
	case KindPod:
		u.podsByIP = u.podsByIP.move(u.owner, r.Key, podIPs(r.Key, old), podIPs(r.Key, r.data))
		touched.Pods = append(touched.Pods, r.Key)
	case KindNode:
		touched.Nodes = append(touched.Nodes, r.Key)
	case KindNamespace:
		touched.Namespaces = append(touched.Namespaces, r.Key)
	case KindServiceCIDR:
		touched.ServiceCIDRs = append(touched.ServiceCIDRs, r.Key)
	}
}

// regroup has the services know which slices they have.
func (u *update) regroup(slice Key, old, now string) {
	from, to := u.servedBy(slice, old), u.servedBy(slice, now)
	u.slicesOf = u.slicesOf.move(u.owner, slice, from, to)
	u.touched.Services = append(append(u.touched.Services, from...), to...)
}

// servedBy returns which service a slice serves, if it serves one.
func (u *update) servedBy(slice Key, data string) []Key {
	k := serviceOf(slice, data)
	if k.Name == "" {
		return nil
	}
	if e := u.records[KindService].find(k); e != nil {
		return []Key{e.key}
	}
	return []Key{{u.namespace(k.Namespace), strings.Clone(k.Name)}}
}
