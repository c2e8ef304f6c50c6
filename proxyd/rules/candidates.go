package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// candidate is an endpoint that may get connections to a port. Its weight is
// the one asked for, and may be zero.
type candidate struct {
	Backend
	rank
	distance
}

// rank says how well a candidate serves: only those of the lowest rank that
// there is get connections.
type rank uint8

const (
	ready   rank = 0
	leaving rank = 2 // terminating, but still serving: the last resort
	resting rank = 1 // added to either: its weight is zero
)

// candidates returns who may serve a port, each address once: first those of
// IPv4, then those of IPv6, each sorted. They last until the next call.
func (c *compiler) candidates(port registry.Port) (v4, v6 []candidate) {
	all := c.candidateBuffer[:0]
	for b := range c.entry.Served(port) {
		if one, ok := c.candidate(b); ok {
			all = append(all, one)
		}
	}
	c.candidateBuffer = all
	slices.SortFunc(all, candidate.compare)
	all = slices.CompactFunc(all, func(a, b candidate) bool { return a.AddrPort == b.AddrPort })
	n, _ := slices.BinarySearchFunc(all, false, func(c candidate, _ bool) int {
		if c.Addr().Is4() {
			return -1
		}
		return 1
	})
	return all[:n], all[n:]
}

// compare orders candidates by address. Of those with the same one the best
// comes first.
func (c candidate) compare(other candidate) int {
	if n := c.AddrPort.Compare(other.AddrPort); n != 0 {
		return n
	}
	return cmp.Or(cmp.Compare(c.rank, other.rank), cmp.Compare(c.distance, other.distance), cmp.Compare(other.Weight, c.Weight))
}

// candidate returns what an endpoint has to offer, and whether it is anything.
func (c *compiler) candidate(b registry.Backend) (candidate, bool) {
	at := netip.AddrPortFrom(b.Addr.Unmap(), b.Port)
	serves, last := c.entry.Serves(b.Endpoint), b.Serving && b.Terminating
	if !b.Addr.IsValid() || !serves && !last {
		return candidate{}, false
	}
	if reason := c.unusableEndpoint(at); reason != "" {
		c.skip(at, reason)
		return candidate{}, false
	}
	one := candidate{Backend{at, c.weights.of(b.Endpoint, at)}, ready, anywhere}
	if c.places {
		one.distance = c.policy.distance(b.Endpoint, at.Addr())
	}
	if !serves {
		one.rank = leaving
	}
	if one.Weight == 0 {
		one.rank += resting
	}
	return one, true
}

// unusableEndpoint returns why nothing can be sent to an endpoint; "" if it
// can.
func (c *compiler) unusableEndpoint(at netip.AddrPort) string {
	switch {
	case at.Port() == 0:
		return "port 0"
	case slices.Contains(c.entry.PortalIPs, at.Addr()):
		return "the service's own portal IP"
	}
	for _, network := range c.networks {
		if network.Contains(at.Addr()) {
			return "an address of the portal network " + network.String()
		}
	}
	return registry.Unusable(at.Addr())
}

// skipped are the endpoints that nothing can be sent to: the first, and how
// many more.
type skipped struct {
	first  netip.AddrPort
	reason string
	more   int
}

func (c *compiler) skip(at netip.AddrPort, reason string) {
	if c.skipped.reason != "" {
		c.skipped.more++
		return
	}
	c.skipped.first, c.skipped.reason = at, reason
}

// String says what is skipped, and why.
func (s skipped) String() string {
	text := fmt.Sprintf("endpoint %v: %s; nothing is sent there", s.first, s.reason)
	if s.more > 0 {
		text += fmt.Sprintf(" (and %d more)", s.more)
	}
	return text
}
