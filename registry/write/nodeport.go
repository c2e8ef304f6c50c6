package write

import (
	"context"
	"fmt"
	"slices"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// wantsNodePorts reports whether each port of a service is to have a node port.
// A load balancer's gets them only if it asks: svcreg's own needs none, and they
// would let in whom loadBalancerSourceRanges keeps out.
func wantsNodePorts(s *registry.Service, asked bool) bool {
	return !s.Headless && (s.Type == registry.NodePort || s.Type == registry.LoadBalancer && asked)
}

// wantsCheck reports whether a service is to have a port that answers health
// checks.
func wantsCheck(s *registry.Service) bool {
	return s.Type == registry.LoadBalancer && s.ExternalLocal
}

// portPlace is where a service has, or may have, a port that is nobody else's.
type portPlace struct {
	field  string
	port   *uint16
	of     *registry.Port // nil for the port that answers health checks
	wanted bool           // whether it is to have one
}

// portPlaces returns the places of a service's node ports that lead anywhere.
func portPlaces(s *registry.Service, wanted bool) []portPlace {
	var places []portPlace
	if s.HasNodePorts() {
		for i := range s.Ports {
			p := &s.Ports[i]
			places = append(places, portPlace{fmt.Sprintf("spec.ports[%d].nodePort", i), &p.NodePort, p, wanted})
		}
	}
	if s.ExternalLocal {
		places = append(places, portPlace{"spec.healthCheckNodePort", &s.HealthCheckNodePort, nil, wantsCheck(s)})
	}
	return places
}

// nodePorts returns the node ports that a service holds, that for health checks
// among them.
func nodePorts(s *registry.Service) []uint16 {
	var held []uint16
	for _, p := range portPlaces(s, false) {
		if *p.port != 0 {
			held = append(held, *p.port)
		}
	}
	return held
}

// assignPorts decides which node ports a service has: those that it names,
// those that it had, and one of the registry's range for each port that is to
// have one and lacks it. It writes them into the document, and into the change
// those that the service takes beside what it had. Only a registry of svcreg's
// own has some to give.
func (w *Writer) assignPorts(ctx context.Context, v *view, c *change, next, old *codec.Document) error {
	now, was := service(next), &registry.Service{}
	if old != nil {
		was = service(old)
	}
	wanted := wantsNodePorts(now, next.Balancing().NodePorts)
	keepNodePorts(now, was, wanted)
	if v.owned && v.apiserver == "" {
		if err := w.claimPorts(ctx, v, c, now, was, wanted); err != nil {
			return err
		}
	}
	var ports []uint16
	for _, p := range now.Ports {
		ports = append(ports, p.NodePort)
	}
	next.SetNodePorts(ports, now.HealthCheckNodePort)
	return nil
}

// claimPorts claims the node ports that a service takes beside those it had.
func (w *Writer) claimPorts(ctx context.Context, v *view, c *change, now, was *registry.Service, wanted bool) error {
	places := portPlaces(now, wanted)
	if len(places) == 0 {
		return nil
	}
	offer, err := portRange(v.ports)
	if err != nil {
		return err
	}
	claims := &portClaims{Writer: w, view: v, offer: offer, had: nodePorts(was)}
	if err := claims.claim(ctx, now, places); err != nil || len(claims.taken) == 0 {
		return err
	}
	w.takePorts(v, c, claims.taken)
	return nil
}

// keepNodePorts gives a service the node ports that it had and doesn't name,
// and takes those from it that lead nowhere. A port is the same as before if
// its name is, or else its number and protocol.
func keepNodePorts(now, was *registry.Service, wanted bool) {
	if wanted && was.HasNodePorts() {
		keepSame(now, was, func(a, b registry.Port) bool { return a.Name == b.Name })
		keepSame(now, was, func(a, b registry.Port) bool { return a.Port == b.Port && a.Protocol == b.Protocol })
	}
	if !now.HasNodePorts() {
		for i := range now.Ports {
			now.Ports[i].NodePort = 0
		}
	}
	check := &now.HealthCheckNodePort
	if *check == 0 && wantsCheck(now) && wantsCheck(was) && !uses(now, was.HealthCheckNodePort, registry.TCP) {
		*check = was.HealthCheckNodePort
	}
	if !now.ExternalLocal {
		*check = 0
	}
}

// keepSame gives each port that lacks a node port that of the same port before.
func keepSame(now, was *registry.Service, same func(a, b registry.Port) bool) {
	for i := range now.Ports {
		p := &now.Ports[i]
		for _, old := range was.Ports {
			if p.NodePort == 0 && same(*p, old) && !uses(now, old.NodePort, p.Protocol) {
				p.NodePort = old.NodePort
			}
		}
	}
}

// uses reports whether a service has a node port for a protocol, or for health
// checks. One that lacks a node port uses zero.
func uses(s *registry.Service, port uint16, protocol registry.Protocol) bool {
	return port == s.HealthCheckNodePort || slices.ContainsFunc(s.Ports, func(p registry.Port) bool { return p.NodePort == port && p.Protocol == protocol })
}
