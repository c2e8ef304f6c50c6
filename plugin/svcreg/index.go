package svcreg

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// index is what DNS knows at one revision of the registry. It is immutable;
// the next one shares with it all that did not change.
type index struct {
	*indexer
	snapshot *registry.Snapshot
	origins  []origin // by zone.number
	// services are those that have names.
	services registry.Map[registry.Key, *service]
	// endpoints has the headless services with an endpoint at an address, in
	// the order of their keys.
	endpoints registry.Map[netip.Addr, []registry.Key]
	// pods has how many pods each namespace has, if they are to be verified.
	pods registry.Map[string, int]
}

// indexer makes indexes, and knows what is the same in all of them.
type indexer struct {
	zones      zones
	ttl        uint32
	shortNames bool
	podMode    podMode
	blank      []origin // by zone.number, at no serial yet
}

// newIndexer returns an indexer for a stanza of a server at some addresses.
func newIndexer(o *options, servers []netip.Addr) *indexer {
	b := &indexer{zones: newZones(o.zones), ttl: o.ttl, shortNames: o.shortNames, podMode: o.pods}
	for _, zone := range b.zones.longest {
		b.blank = append(b.blank, newOrigin(zone.name, o.ttl, servers))
	}
	return b
}

// next returns the index of a snapshot. The work is that of the changes that
// lead there from the old one; nil for either of them means all of it.
func (b *indexer) next(old *index, s *registry.Snapshot, changes *registry.Changes) *index {
	x := &index{indexer: b, snapshot: s}
	if old == nil || changes == nil {
		for e := range s.Services() {
			x.put(e.Key, newService(e))
		}
	} else {
		x.services, x.endpoints = old.services, old.endpoints
		for _, k := range changes.Services {
			x.put(k, x.service(k))
		}
	}
	x.countPods(old, changes)
	x.origins = make([]origin, len(b.blank))
	for i := range x.origins {
		x.origins[i] = b.blank[i].at(uint32(s.Revision()))
	}
	return x
}

// service makes a service anew, or returns nil if it has no name.
func (x *index) service(k registry.Key) *service {
	if e := x.snapshot.Service(k); e != nil {
		return newService(e)
	}
	return nil
}

// put replaces a service. It is for an index in the making.
func (x *index) put(k registry.Key, now *service) {
	before, _ := x.services.Get(k)
	x.moveEndpoints(k, before, now)
	if now != nil {
		x.services = x.services.With(k, now)
	} else if before != nil {
		x.services = x.services.Without(k)
	}
}

// moveEndpoints takes a headless service's endpoints out of the addresses, and
// those it has now in.
func (x *index) moveEndpoints(k registry.Key, before, now *service) {
	from, to := before.endpoints(), now.endpoints()
	for _, addr := range from {
		if _, stays := slices.BinarySearchFunc(to, addr, netip.Addr.Compare); !stays {
			x.removeEndpoint(addr, k)
		}
	}
	for _, addr := range to {
		if _, was := slices.BinarySearchFunc(from, addr, netip.Addr.Compare); !was {
			x.addEndpoint(addr, k)
		}
	}
}

func (x *index) addEndpoint(addr netip.Addr, k registry.Key) {
	keys, _ := x.endpoints.Get(addr)
	i, _ := slices.BinarySearchFunc(keys, k, registry.Key.Compare)
	x.endpoints = x.endpoints.With(addr, slices.Insert(slices.Clip(keys), i, k))
}

func (x *index) removeEndpoint(addr netip.Addr, k registry.Key) {
	keys, _ := x.endpoints.Get(addr)
	keys = slices.DeleteFunc(slices.Clone(keys), func(other registry.Key) bool { return other == k })
	if len(keys) == 0 {
		x.endpoints = x.endpoints.Without(addr)
	} else {
		x.endpoints = x.endpoints.With(addr, keys)
	}
}

// endpoints returns the addresses of a headless service's endpoints, sorted;
// of any other service, or none, it has none.
func (s *service) endpoints() []netip.Addr {
	if s == nil || len(s.hosts) == 0 {
		return nil
	}
	addrs := slices.Clone(s.addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// find returns what stands at a name in lower case, of which below are the
// labels below the zone; nil if the name doesn't exist. For all but reverse
// names it allocates nothing.
func (x *index) find(zone *zone, name, below string) subject {
	if n := x.origins[zone.number].find(below); n != nil {
		return n
	}
	switch {
	case reverseName(name):
		return x.reverse(name)
	case zone.sort == reverseZone:
		return nil
	}
	if n := x.schema(below); n != nil {
		return n
	}
	if x.shortNames { // also a namespace called "svc" or "pod"
		return x.names(below)
	}
	return nil
}

// schema returns what stands at labels of which the last says what they name.
func (x *index) schema(below string) subject {
	rest, last := cutLabel(below)
	switch {
	case last == "svc":
		return x.names(rest)
	case last == "pod" && x.podMode != podsDisabled:
		return x.pod(rest)
	}
	return nil
}

// names returns what stands at the labels [below.]service.namespace.
func (x *index) names(labels string) subject {
	labels, namespace := cutLabel(labels)
	below, name := cutLabel(labels)
	if name == "" {
		if namespace == "" || x.snapshot.HasNamespace(namespace) {
			return hollow
		}
		return nil
	}
	s, ok := x.services.Get(registry.Key{Namespace: namespace, Name: name})
	switch {
	case !ok:
		return nil
	case below == "":
		return &s.host
	}
	return s.find(below)
}

// all yields every name in a forward zone that is there because of a service,
// in the form with "svc", and what stands at it.
func (x *index) all(zone string) iter.Seq2[string, subject] {
	return func(yield func(string, subject) bool) {
		for k, s := range x.services.All() {
			if !s.all(canonical(k, zone), yield) {
				return
			}
		}
	}
}

// all yields a service's own name and those below it, but for those that are
// too long.
func (s *service) all(name string, yield func(string, subject) bool) bool {
	fits := func(name string, n subject) bool { return len(name) > maxName || yield(name, n) }
	if !fits(name, &s.host) {
		return false
	}
	for i := range s.hosts {
		if !fits(s.hosts[i].label+"."+name, &s.hosts[i]) {
			return false
		}
	}
	for i := range s.ports {
		if !fits(s.ports[i].labels+"."+name, &s.ports[i]) {
			return false
		}
	}
	return true
}

// canonical returns a service's name in a zone.
func canonical(k registry.Key, zone string) string {
	if zone == "." {
		return k.Name + "." + k.Namespace + ".svc."
	}
	return k.Name + "." + k.Namespace + ".svc." + zone
}

// cutLabel cuts the last label off. It knows no escaped dots: the registry's
// names have none, and a part of such a label is never one of them.
func cutLabel(labels string) (rest, last string) {
	i := strings.LastIndexByte(labels, '.')
	return labels[:max(i, 0)], labels[i+1:]
}
