package write

import (
	"context"
	"fmt"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// portClaims are the node ports that a service takes.
type portClaims struct {
	*Writer
	view  *view
	offer PortRange
	had   []uint16 // those that the service has already
	taken []uint16
}

// claim claims what a service names, and then gives it what it lacks.
func (c *portClaims) claim(ctx context.Context, s *registry.Service, places []portPlace) error {
	for _, p := range places {
		if err := c.claimNamed(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range places {
		if *p.port != 0 || !p.wanted {
			continue
		}
		if p.of != nil {
			*p.port = shared(s, p.of)
		}
		if *p.port == 0 {
			if err := c.claimAny(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// shared returns the node port of a port that has the same number and another
// protocol, such as 53 of TCP and of UDP: clients expect both behind one node
// port. It is zero where there is none.
func shared(s *registry.Service, port *registry.Port) uint16 {
	for _, p := range s.Ports {
		if p.Port == port.Port && !uses(s, p.NodePort, port.Protocol) {
			return p.NodePort
		}
	}
	return 0
}

// claimNamed claims a node port that the service names.
func (c *portClaims) claimNamed(ctx context.Context, p portPlace) error {
	port := *p.port
	if port == 0 || slices.Contains(c.had, port) || slices.Contains(c.taken, port) {
		return nil
	}
	if !c.offer.offers(port) {
		return &NodePortError{Field: p.field, Port: port, Problem: fmt.Sprintf("provided port is not in the valid range. The range of valid ports is %s", c.offer)}
	}
	return c.ledger.at(ctx, c.view.revision, func() error {
		if holder, held := c.ledger.ports[port]; held {
			return &NodePortError{Field: p.field, Port: port, Problem: "provided port is already allocated: service " + holder.String() + " holds it"}
		}
		c.taken = append(c.taken, port)
		return nil
	})
}

// claimAny claims a free node port.
func (c *portClaims) claimAny(ctx context.Context, p portPlace) error {
	return c.ledger.at(ctx, c.view.revision, func() error {
		held := func(number uint64) bool {
			port := c.offer.at(number)
			_, held := c.ledger.ports[port]
			return held || slices.Contains(c.taken, port)
		}
		number, ok := pick(c.offer.size(), held, c.random)
		if !ok {
			return &NodePortError{Field: p.field, Problem: fmt.Sprintf("range is full: all %d ports of %s are held", c.offer.size(), c.offer)}
		}
		*p.port = c.offer.at(number)
		c.taken = append(c.taken, *p.port)
		return nil
	})
}
