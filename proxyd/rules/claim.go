package rules

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// claim is a service's wish for a frontend, with the rule that it gets there
// if nobody comes before it. There is one for each frontend of the registry:
// so it is small, and has no pointers but those to what others have, too.
type claim struct {
	place
	// external is Rule.External.
	external bool
	service  registry.Key
	created  int64 // the etcd revision at which the service was
	// effect is all the rest of the rule, packed.
	effect string
}

// rule returns the rule that the claim is for, made anew.
func (c *claim) rule() Rule {
	r := Rule{Frontend: c.frontend(), Service: c.service, External: c.external}
	unpack(c.effect, &r)
	return r
}

// same reports whether two claims are for the same rule.
func (c *claim) same(other *claim) bool {
	return c == other || c != nil && other != nil && c.place == other.place &&
		c.external == other.external && c.service == other.service && c.effect == other.effect
}

// before reports whether a claim holds a frontend against another: portal IPs
// against external addresses, then the service that was created first.
func (c *claim) before(other *claim) bool {
	if c.external != other.external {
		return !c.external
	}
	return cmp.Or(cmp.Compare(c.created, other.created), c.service.Compare(other.service)) < 0
}

// place is a Frontend in less memory.
type place struct {
	addr     netip.Addr
	port     uint16
	protocol uint8 // which of the protocols
}

// protocols are those that the data plane carries, in order.
var protocols = [...]registry.Protocol{registry.SCTP, registry.TCP, registry.UDP}

// placeOf returns the place of a frontend. No claim has the place of one that
// is impossible.
func placeOf(f Frontend) place {
	return place{f.Addr, f.Port, uint8(slices.Index(protocols[:], f.Protocol))}
}

func (p place) frontend() Frontend { return Frontend{p.addr, protocols[p.protocol], p.port} }

// compare orders places as their frontends.
func (p place) compare(other place) int {
	return cmp.Or(p.addr.Compare(other.addr), cmp.Compare(p.protocol, other.protocol), cmp.Compare(p.port, other.port))
}
