package svcreg

import (
	"net/netip"
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
	// endpoints has the headless services with an endpoint at an address.
	endpoints holders
	public    public
	members   members
}

// indexer makes indexes, and knows what is the same in all of them.
type indexer struct {
	zones      zones
	ttl        uint32
	shortNames bool
	podMode    podMode
	filter     filter
	rules      endpointRules
	blank      []origin // by zone.number, at no serial yet

	clients networks
	// knowsClients says that the namespace of some clients can be known.
	knowsClients bool
}

// newIndexer returns an indexer for a stanza of a server at some addresses.
func newIndexer(o *options, servers []netip.Addr) *indexer {
	b := &indexer{
		zones: newZones(o.zones, o.public), ttl: o.ttl, shortNames: o.shortNames,
		podMode: o.pods, filter: o.filter, rules: o.endpoints,
	}
	for _, zone := range b.zones.longest {
		b.blank = append(b.blank, newOrigin(zone.name, o.ttl, servers))
	}
	b.clients, b.knowsClients = o.clients, o.knowsClients()
	return b
}

// next returns the index of a snapshot. The work is that of the changes that
// lead there from the old one; nil for either of them means all of it.
func (b *indexer) next(old *index, s *registry.Snapshot, changes *registry.Changes) *index {
	x := &index{indexer: b, snapshot: s}
	if old == nil || changes == nil {
		x.edit()
		for service := range s.Specs() {
			x.put(service.Key, x.exposed(service.Key, service))
		}
		x.done()
	} else {
		x.services, x.endpoints, x.public, x.members = old.services, old.endpoints, old.public, old.members
		for _, k := range changes.Services {
			x.put(k, x.exposed(k, s.Spec(k)))
		}
		for k := range x.turned(old.snapshot, changes.Namespaces) {
			x.put(k, x.exposed(k, s.Spec(k)))
		}
	}
	x.origins = make([]origin, len(b.blank))
	for i := range x.origins {
		x.origins[i] = b.blank[i].at(uint32(s.Revision()))
	}
	return x
}

// edit makes the changes that follow cheap, until done. It is for an index in
// the making.
func (x *index) edit() {
	x.services, x.endpoints.Map = x.services.Edit(), x.endpoints.Edit()
	x.public.services, x.public.addresses.Map = x.public.services.Edit(), x.public.addresses.Edit()
}

func (x *index) done() {
	x.services, x.endpoints.Map = x.services.Done(), x.endpoints.Done()
	x.public.services, x.public.addresses.Map = x.public.services.Done(), x.public.addresses.Done()
}

// put replaces a service by what an entry, which may be nil, makes of it. It
// is for an index in the making.
func (x *index) put(k registry.Key, e *registry.Entry) {
	var now, outside *service
	if e != nil {
		now = newService(e, &x.rules)
	}
	before, _ := x.services.Get(k)
	x.endpoints = x.endpoints.moved(k, before.endpoints(), now.endpoints())
	if now != nil {
		x.services = x.services.With(k, now)
	} else if before != nil {
		x.services = x.services.Without(k)
	}
	if x.zones.public == "" {
		return
	}
	if e != nil {
		outside = newPublic(e)
	}
	x.public = x.public.with(k, outside)
}

// endpoints returns the addresses of a headless service's endpoints, sorted;
// of any other service, or none, it has none.
func (s *service) endpoints() []netip.Addr {
	if s == nil || len(s.hosts) == 0 {
		return nil
	}
	return sorted(s.addrs)
}

// find returns what stands at a name in lower case, of which below are the
// labels below the zone; nil if the name doesn't exist. For all but reverse and
// zonal names it allocates nothing.
func (x *index) find(zone *zone, name, below string) subject {
	if n := x.origins[zone.number].find(below); n != nil {
		return n
	}
	switch {
	case zone.sort == publicZone: // first: what is internal has no name there
		return x.public.find(below)
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
	if labels == "" {
		if namespace == "" || x.hasNamespace(namespace) {
			return hollow
		}
		return nil
	}
	k := registry.Key{Namespace: namespace, Name: name}
	s, ok := x.services.Get(k)
	switch {
	case !ok:
		return nil
	case below == "":
		return &s.host
	}
	n := s.find(below)
	if n == nil && x.rules.zonal {
		return x.zonal(k, s, below)
	}
	return n
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
// names have none, and a part of such a label is never one of them. That part
// may be empty: only where nothing is left to cut there is no label.
func cutLabel(labels string) (rest, last string) {
	i := strings.LastIndexByte(labels, '.')
	return labels[:max(i, 0)], labels[i+1:]
}
