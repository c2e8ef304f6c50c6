package proxyd

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// sockets tell where processes of the node listen.
type sockets interface {
	Listens(registry.Protocol, netip.AddrPort) bool
}

// policy keeps the rules' Policy in step with the node: its addresses, and
// which of the ports that services want on them are taken.
type policy struct {
	rules.Policy
	// anyZone says that the node's zone is that of its Node object.
	anyZone bool
	// listening is node.Listening.
	listening func() (sockets, error)
	logger    *slog.Logger
	// awaitsPools says that the address pools are to be known before anything
	// is compiled: without them addresses would be refused that stand.
	awaitsPools bool

	// wanted are the frontends that services want at the node's addresses.
	wanted map[registry.Key][]rules.Frontend
	// listing are the services that list an address from outside.
	listing listing
	// stale says that the sockets must be looked at again.
	stale bool
}

// look asks for a fresh look at the node's sockets with the next take, and
// reports whether that is worth anything.
func (p *policy) look() bool {
	p.stale = true
	return len(p.wanted) > 0
}

// take takes in the news, and reports whether the Policy changed for more than
// the services of the news: to these it adds those to which the address pools
// make a difference.
func (p *policy) take(n *news, s *registry.Snapshot) bool {
	moved := n.moved && !slices.Equal(n.addrs, p.NodeAddrs)
	if moved {
		p.NodeAddrs = n.addrs
		p.wanted = nil
	}
	if n.pooled {
		moved = moved || !n.pools.SameRanges(&p.Pools)
		p.Pools, p.awaitsPools = n.pools, false
	}
	if s == nil {
		return moved
	}
	if p.wanted == nil {
		p.wanted, p.listing = map[registry.Key][]rules.Frontend{}, newListing()
		for e := range s.Specs() {
			p.want(e.Key, e)
		}
	} else {
		for k := range n.services {
			p.want(k, s.Spec(k))
		}
	}
	for a := range n.given {
		n.touch(p.listing.by[a])
	}
	rezoned := p.rezone(s)
	return p.occupy() || moved || rezoned
}

// rezone takes the node's zone from its Node object, where nobody said which
// it is and there is one, and reports whether it changed.
func (p *policy) rezone(s *registry.Snapshot) bool {
	if !p.anyZone {
		return false
	}
	zone := ""
	if n := s.Node(p.NodeName); n != nil {
		zone = n.Zone
	}
	changed := zone != p.Zone
	p.Zone = zone
	return changed
}

// want notes the frontends that one service wants at the node's addresses.
func (p *policy) want(k registry.Key, e *registry.Service) {
	delete(p.wanted, k)
	p.listing.set(k, e)
	if e == nil {
		return
	}
	if own := p.OwnFrontends(e); len(own) > 0 {
		p.wanted[k] = own
		p.stale = true
	}
}

// occupy finds out which of the wanted frontends belong to processes of the
// node, and reports whether that changed. Where the kernel doesn't tell, what
// was known stays.
func (p *policy) occupy() bool {
	if !p.stale && len(p.wanted) > 0 {
		return false
	}
	p.stale = false
	occupied := map[rules.Frontend]bool{}
	if len(p.wanted) > 0 {
		sockets, err := p.listening()
		if err != nil {
			p.stale = true
			p.logger.Error("can't tell which ports are taken on this node", "err", err)
			return false
		}
		for _, frontends := range p.wanted {
			for _, f := range frontends {
				if sockets.Listens(f.Protocol, netip.AddrPortFrom(f.Addr, f.Port)) {
					occupied[f] = true
				}
			}
		}
	}
	if maps.Equal(occupied, p.Occupied) {
		return false
	}
	p.Occupied = occupied
	return true
}
