package external

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

// behindName returns the endpoint that a service of type ExternalName stands
// for, on the ports that it says.
func behindName(service *registry.Service) []registry.Subset {
	one := registry.Endpoint{Host: strings.ToLower(strings.TrimSuffix(service.ExternalName, ".")), Ready: true, Serving: true}
	subset := registry.Subset{Endpoints: []registry.Endpoint{one}}
	for _, p := range service.Ports {
		port := registry.EndpointPort{Name: p.Name, Protocol: p.Protocol, Port: p.Port}
		if number, err := strconv.ParseUint(p.TargetPort, 10, 16); err == nil {
			port.Port = uint16(number)
		}
		subset.Ports = append(subset.Ports, port)
	}
	return []registry.Subset{subset}
}

// liftable reports whether a service is an alias that can be more: it has ports,
// says nothing to the contrary, and somebody stands behind its name. An alias of
// another service of the registry, where nobody does, stays one.
func (c *controller) liftable(s *service, want []*registry.Endpoints) bool {
	of := s.source.service
	return of != nil && of.Type == registry.ExternalName && !of.Headless && len(of.PortalIPs) == 0 &&
		len(c.snapshot.PortalNetworks()) > 0 &&
		slices.ContainsFunc(want, func(slice *registry.Endpoints) bool { return len(slice.Subsets) > 0 })
}

// lift gives a service a portal IP, now that its endpoints stand there. Where
// there is none to be had, that is said, and tried again now and then.
func (c *controller) lift(ctx context.Context, s *service) {
	unlifted := ""
	c.job(ctx, s, func(ctx context.Context) error {
		err := c.store.lift(ctx, s.key)
		if full, ok := errors.AsType[*write.FullError](err); ok {
			unlifted, err = full.Error(), nil
		}
		return err
	}, func() {
		s.stale, s.dirty = s.stale || unlifted == "", s.dirty || unlifted != s.unlifted
		s.unlifted = unlifted
		c.agenda.cancel(s.relift)
		if unlifted != "" {
			s.relift = c.agenda.at(time.Now().Add(jittered(c.MaxTTL)), func() { c.touch(s) })
		}
	})
}
