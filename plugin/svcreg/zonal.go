package svcreg

import (
	"strings"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// zonal is a headless service as seen in one topology zone, at the name
// <topology zone>.<pin or prefer>._zone.<service>. It is made for one answer
// from the snapshot: such names are asked for too rarely to keep a zone with
// every host.
type zonal struct {
	labels string          // those in front of the service's name
	entry  *registry.Entry // with the endpoints of the zone only
	rules  *endpointRules
}

// zonal returns what stands at some labels below a service's name, or nil. A
// topology zone may have any name, and exists without endpoints too.
func (x *index) zonal(k registry.Key, s *service, labels string) subject {
	rest, last := cutLabel(labels)
	zone, directive := cutLabel(rest)
	switch {
	case last != "_zone", len(s.hosts) == 0: // no headless service
		return nil
	case directive != "" && directive != "pin" && directive != "prefer":
		return nil
	case strings.Contains(zone, `\`): // no zone's name has that, and it may be half a label
		return nil
	case zone == "":
		return hollow
	}
	e := x.snapshot.Service(k)
	if directive == "prefer" {
		return &zonal{labels, nearest(e, zone), &x.rules}
	}
	return &zonal{labels, inZone(e, zone), &x.rules}
}

// inZone returns a service with those of its endpoints that are in a topology
// zone, whose name is in lower case.
func inZone(e *registry.Entry, zone string) *registry.Entry {
	here := &registry.Entry{Service: e.Service}
	for _, subset := range e.Subsets {
		all := subset.Endpoints
		subset.Endpoints = nil
		for i := range all {
			if lower(all[i].Zone) == zone {
				subset.Endpoints = append(subset.Endpoints, all[i])
			}
		}
		here.Subsets = append(here.Subsets, subset)
	}
	return here
}

// nearest is inZone, unless no endpoint there is ready: then it is all of them.
func nearest(e *registry.Entry, zone string) *registry.Entry {
	here := inZone(e, zone)
	for range ready(here) {
		return here
	}
	return e
}

// records returns the addresses of the endpoints, or as SRV records all their
// ports, those without a name too.
func (z *zonal) records(owner string, qtype uint16, ttl uint32) (answer, extra []dns.RR) {
	if qtype != dns.TypeSRV {
		return (&host{addrs: z.host().addrs}).records(owner, qtype, ttl)
	}
	s := newHosts(z.entry, z.rules)
	all := port{labels: z.labels}
	for _, p := range headlessPorts(z.entry) {
		all.targets = append(all.targets, s.targets(z.entry, p, z.rules)...)
	}
	if all.targets = inOrder(all.targets); len(all.targets) == 0 {
		return nil, nil
	}
	return all.records(owner, qtype, ttl)
}

// host returns what the service's name stands for in the zone. It is never an
// alias: SRV records stand at the same name.
func (z *zonal) host() *host {
	h := &host{}
	for endpoint := range ready(z.entry) {
		h.add(endpoint)
	}
	h.tidy()
	return h
}

func (o *options) setZonal(args []string) error {
	o.endpoints.zonal = true
	return none(args)
}
