package loadbalancer

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// plan is what is to be written for one service.
type plan struct {
	key    registry.Key
	layout codec.Layout
	book   *pool.Book
	now    time.Time
	grace  time.Duration
	// overGone lets services take what is kept for others that were deleted.
	overGone bool
	listed   func(netip.Addr) bool // whether another service lists an address

	wish    *wish
	claims  map[netip.Addr]*pool.Claim // as they are to be; nil for none
	addrs   []netip.Addr               // that the service is to have
	problem string                     // "" if nothing is wrong
	// problems are the parts of that.
	problems []string
}

// given is what a hook says about a service.
type given struct {
	// waiting says that it hasn't answered yet.
	waiting bool
	// busy says that it still has to be told that the service is gone, before
	// its addresses can be another's.
	busy    bool
	addrs   []netip.Addr
	problem string
}

// make decides what is to become of a service, and changes its document.
func (p *plan) make(d *codec.Document, g given) error {
	var err error
	if p.wish, err = newWish(d); err != nil {
		return err
	}
	p.claims = map[netip.Addr]*pool.Claim{}
	switch {
	case p.wish.service == nil:
		p.keep(g.busy)
	case !p.wish.mine:
		p.release(nil, g.busy)
		d.ReplaceBalancerIPs(p.out(), nil)
	default:
		p.assign(g)
		var out []netip.Addr
		if !g.waiting { // else what is there may be what it gets
			out = p.out()
		}
		d.ReplaceBalancerIPs(out, p.addrs)
	}
	return nil
}

// assign gives the service its addresses.
func (p *plan) assign(g given) {
	r := p.wish.request()
	r.Given, r.Listed, r.OverGone = g.addrs, p.listed, p.overGone
	problems := slices.Clone(p.wish.problems)
	if g.problem != "" {
		problems = append(problems, g.problem)
	}
	if g.waiting { // what it holds it keeps
		for _, a := range p.book.Held(p.key) {
			if p.book.Assigned(p.key, a) {
				p.addrs = append(p.addrs, a)
			}
		}
	} else {
		choice := p.book.Choose(r)
		p.addrs = choice.Addrs
		problems = append(problems, choice.Problems...)
	}
	for _, a := range p.addrs {
		p.take(a, r.Holder)
	}
	p.release(p.addrs, false)
	p.problem, p.problems = strings.Join(problems, "; "), problems
}

// take claims an address, unless it is claimed just so.
func (p *plan) take(a netip.Addr, h pool.Holder) {
	old := p.book.Claim(a)
	next := &pool.Claim{Addr: a}
	if old != nil {
		next = old
	} else if from := p.book.PoolOf(a); from != nil {
		next.Pool = from.Name
	}
	if next = next.Taken(h); old == nil || !next.Equal(old) {
		p.claims[a] = next
	}
}

// release frees the addresses that the service holds, but for some. While busy
// they are no longer the service's, and nobody else's either.
func (p *plan) release(but []netip.Addr, busy bool) {
	for _, a := range p.book.Held(p.key) {
		if slices.Contains(but, a) {
			continue
		}
		if busy {
			p.leave(a)
			continue
		}
		p.claims[a] = nil
		if next := p.book.Claim(a).Without(p.key); len(next.Holders) > 0 {
			p.claims[a] = next
		}
	}
}

// leave notes since when an address is kept for the service.
func (p *plan) leave(a netip.Addr) {
	old := p.book.Claim(a)
	h := *old.Holder(p.key)
	if h.Gone.IsZero() {
		h.Gone = p.now.UTC().Truncate(time.Second)
		p.claims[a] = old.With(h)
	}
}

// keep keeps the addresses of a service that is gone for the grace time.
func (p *plan) keep(busy bool) {
	for _, a := range p.book.Held(p.key) {
		gone := p.book.Claim(a).Holder(p.key).Gone
		over := p.grace <= 0 || !gone.IsZero() && !p.now.Before(gone.Add(p.grace))
		if over && !busy {
			p.claims[a] = nil
			if next := p.book.Claim(a).Without(p.key); len(next.Holders) > 0 {
				p.claims[a] = next
			}
			continue
		}
		p.leave(a)
	}
}

// out returns the addresses that the service has no right to: those that it
// held, and those of a pool that somebody wrote to its status. What a user lists
// in publicIPs is the user's, and what another balancer wrote is that one's.
func (p *plan) out() []netip.Addr {
	out := p.book.Held(p.key)
	if !p.wish.foreign {
		for _, a := range p.wish.service.LoadBalancerIPs {
			if p.book.PoolOf(a) != nil {
				out = append(out, a)
			}
		}
	}
	return slices.DeleteFunc(out, func(a netip.Addr) bool { return slices.Contains(p.addrs, a) })
}

// also returns what is to be written beside the service, and what must hold.
func (p *plan) also() (write.Also, error) {
	var also write.Also
	pools := map[string]bool{}
	for _, a := range p.changed() {
		key, revision := pool.ClaimKey(p.layout, a), int64(0)
		if old := p.book.Claim(a); old != nil {
			revision = old.Revision
		} else if from := p.book.PoolOf(a); from != nil && !pools[from.Name] {
			pools[from.Name] = true
			also.Conditions = append(also.Conditions, unchanged(pool.Key(p.layout, from.Name), from.Revision))
		}
		also.Conditions = append(also.Conditions, unchanged(key, revision))
		next := p.claims[a]
		if next == nil {
			also.Ops = append(also.Ops, clientv3.OpDelete(key))
			continue
		}
		value, err := next.Encode()
		if err != nil {
			return also, err
		}
		also.Ops = append(also.Ops, clientv3.OpPut(key, string(value)))
	}
	return also, nil
}

func unchanged(key string, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", revision)
}

// changed returns the addresses whose claims change, in order.
func (p *plan) changed() []netip.Addr {
	var list []netip.Addr
	for a := range p.claims {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// update returns the news that the plan is once it is written.
func (p *plan) update(revision int64) pool.Update {
	for _, c := range p.claims {
		if c != nil {
			c.Revision = revision
		}
	}
	return pool.Update{Claims: p.claims}
}
