package svcreg

import (
	"net/netip"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// index is what DNS knows at one revision of the registry. It is immutable;
// the next one shares with it all that did not change.
type index struct {
	snapshot *registry.Snapshot
	// services has each service's names, by forward zone.
	services registry.Map[registry.Key, []tree]
	zones    []zoneNodes // by zone.number

	ttl        uint32
	primary    int
	shortNames bool
}

// indexer makes indexes.
type indexer struct {
	zones      *zones
	zoneNodes  []zoneNodes // by zone.number, at no serial yet
	ttl        uint32
	shortNames bool
}

// newIndexer returns an indexer of zones whose servers have some addresses.
func newIndexer(z *zones, o *options, servers []netip.Addr) indexer {
	b := indexer{zones: z, ttl: o.ttl, shortNames: o.shortNames}
	for _, zone := range z.longest {
		b.zoneNodes = append(b.zoneNodes, newZoneNodes(zone.name, o.ttl, servers))
	}
	return b
}

// next returns the index of a snapshot. The work is that of the changes that
// lead there from the old one; nil for either of them means all of it.
func (b *indexer) next(old *index, s *registry.Snapshot, changes *registry.Changes) *index {
	x := &index{snapshot: s, ttl: b.ttl, primary: b.zones.primary, shortNames: b.shortNames}
	if old == nil || changes == nil {
		for e := range s.Services() {
			x.put(e.Key, newTrees(e, b.zones.forward, b.ttl))
		}
	} else {
		x.services = old.services
		for _, k := range changes.Services {
			x.put(k, b.trees(s.Service(k)))
		}
	}
	x.zones = make([]zoneNodes, len(b.zoneNodes))
	for i := range x.zones {
		x.zones[i] = b.zoneNodes[i].at(uint32(s.Revision()))
	}
	return x
}

func (b *indexer) trees(e *registry.Entry) []tree {
	if e == nil {
		return nil
	}
	return newTrees(e, b.zones.forward, b.ttl)
}

// put replaces a service's names. It is for an index in the making.
func (x *index) put(k registry.Key, trees []tree) {
	if trees == nil {
		x.services = x.services.Without(k)
	} else {
		x.services = x.services.With(k, trees)
	}
}

// find returns the node of a name in lower case, of which below are the labels
// below the zone; nil if the name doesn't exist. For all but reverse names it
// allocates nothing.
func (x *index) find(zone *zone, name, below string) *node {
	if n := x.zones[zone.number].find(below); n != nil {
		return n
	}
	if reverseName(name) {
		return x.reverse(name)
	}
	if zone.tree < 0 {
		return nil
	}
	if rest, last := cutLabel(below); last == "svc" {
		if n := x.names(zone.tree, rest); n != nil {
			return n
		}
	}
	if x.shortNames { // also a namespace or a service called "svc"
		return x.names(zone.tree, below)
	}
	return nil
}

// names returns the node of the labels [below.]service.namespace.
func (x *index) names(tree int, labels string) *node {
	labels, namespace := cutLabel(labels)
	below, service := cutLabel(labels)
	if service == "" {
		if namespace == "" || x.snapshot.HasNamespace(namespace) {
			return hollow
		}
		return nil
	}
	trees, ok := x.services.Get(registry.Key{Namespace: namespace, Name: service})
	if !ok {
		return nil
	}
	t := &trees[tree]
	if below == "" {
		return &t.node
	}
	return t.find(below)
}

// cutLabel cuts the last label off. It knows no escaped dots: the registry's
// names have none, and a part of such a label is never one of them.
func cutLabel(labels string) (rest, last string) {
	i := strings.LastIndexByte(labels, '.')
	return labels[:max(i, 0)], labels[i+1:]
}
