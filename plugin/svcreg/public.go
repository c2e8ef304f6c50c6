package svcreg

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/coredns/coredns/plugin"
	"github.com/svcreg/svcreg/registry"
)

// public is what the public zones hold: the services that clients outside the
// portal network can reach. It is immutable.
type public struct {
	services   registry.Map[registry.Key, *service]
	namespaces registry.Map[string, int] // how many of the services each has
	addresses  holders
}

// with returns it with a service replaced; nil takes the service out.
func (p public) with(k registry.Key, now *service) public {
	before, _ := p.services.Get(k)
	p.addresses = p.addresses.moved(k, before.publicAddrs(), now.publicAddrs())
	switch {
	case now != nil:
		p.services = p.services.With(k, now)
		if before == nil {
			p = p.counted(k.Namespace, 1)
		}
	case before != nil:
		p.services = p.services.Without(k)
		p = p.counted(k.Namespace, -1)
	}
	return p
}

// counted returns it with more or fewer services in a namespace.
func (p public) counted(namespace string, more int) public {
	n, _ := p.namespaces.Get(namespace)
	if n += more; n > 0 {
		p.namespaces = p.namespaces.With(namespace, n)
	} else {
		p.namespaces = p.namespaces.Without(namespace)
	}
	return p
}

// publicAddrs returns the sorted addresses of a service in the public zones;
// of none there are none.
func (s *service) publicAddrs() []netip.Addr {
	if s == nil {
		return nil
	}
	return sorted(s.addrs)
}

// newPublic returns a service as a client outside sees it, or nil if it has no
// public address. What an alias stands for is nothing that svcreg leads to, and
// may be an internal name.
func newPublic(e *registry.Entry) *service {
	switch {
	case !isLabel(e.Name) || !isLabel(e.Namespace), e.IsAlias():
		return nil
	case len(e.Ports) == 0 && !e.Headless:
		return nil // as in the other zones
	case len(e.PublicIPs)+len(e.LoadBalancerIPs) == 0:
		return nil
	}
	return newPortal(e, slices.Concat(e.PublicIPs, e.LoadBalancerIPs))
}

// find returns what stands at the labels below a public zone, with the label
// "svc" or without it; or nil.
func (p *public) find(below string) subject {
	if rest, last := cutLabel(below); last == "svc" {
		if n := p.names(rest); n != nil {
			return n
		}
	}
	return p.names(below)
}

// names returns what stands at the labels [below.]service.namespace.
func (p *public) names(labels string) subject {
	labels, namespace := cutLabel(labels)
	below, name := cutLabel(labels)
	if labels == "" {
		if n, _ := p.namespaces.Get(namespace); n > 0 || namespace == "" {
			return hollow
		}
		return nil
	}
	s, ok := p.services.Get(registry.Key{Namespace: namespace, Name: name})
	switch {
	case !ok:
		return nil
	case below == "":
		return &s.host
	}
	return s.find(below)
}

// setPublic reads the public zones. They must be others than the stanza's own.
func (o *options) setPublic(args []string) error {
	if len(args) == 0 {
		return errors.New("want at least one of ZONES")
	}
	for _, zone := range args {
		if err := validateZone(zone); err != nil {
			return err
		}
		for _, name := range plugin.Host(zone).NormalizeExact() {
			switch {
			case reverseName(name):
				return fmt.Errorf("zone %q: want no reverse zone: public addresses have their names in the stanza's", zone)
			case slices.Contains(o.zones, name):
				return fmt.Errorf("zone %q: want one that is not among the stanza's zones, in which services have their portal IPs", zone)
			}
			o.public = append(o.public, name)
		}
	}
	return nil
}
