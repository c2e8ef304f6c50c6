package pool

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// Trust returns what the book has to say to whoever makes rules.
func (b *Book) Trust() rules.Pools {
	var p rules.Pools
	for _, one := range b.Pools() {
		for _, r := range one.Ranges {
			for _, network := range r.Prefixes() {
				p.Ranges = append(p.Ranges, rules.PoolRange{Prefix: network, Namespaces: one.Namespaces})
			}
		}
	}
	p.Holders = p.Holders.Edit()
	for c := range b.Claims() {
		if services := c.services(); len(services) > 0 {
			p.Holders = p.Holders.With(c.Addr, services)
		}
	}
	p.Holders = p.Holders.Done()
	return p
}

// Entrust brings what Trust returned up to date with what the book says of some
// addresses, where no pool has changed, and returns the addresses that are
// other services' now.
func (b *Book) Entrust(p *rules.Pools, addrs []netip.Addr) (moved []netip.Addr) {
	for _, a := range addrs {
		had, _ := p.Holders.Get(a)
		have := b.claims[a].services()
		if slices.Equal(had, have) {
			continue
		}
		moved = append(moved, a)
		if len(have) > 0 {
			p.Holders = p.Holders.With(a, have)
		} else {
			p.Holders = p.Holders.Without(a)
		}
	}
	return moved
}

// services returns the holders that aren't gone, in order.
func (c *Claim) services() []registry.Key {
	if c == nil {
		return nil
	}
	var keys []registry.Key
	for i := range c.Holders {
		if h := &c.Holders[i]; h.Gone.IsZero() {
			keys = append(keys, h.Key())
		}
	}
	return keys
}
