package pool

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// Request is what a service wants.
type Request struct {
	// Families are those of which it wants an address each; true is IPv4. None
	// means one address, of whichever family there is.
	Families []bool
	// Wanted are the addresses that it asks for by name, in place of any of
	// their families.
	Wanted []netip.Addr
	// Given are addresses that somebody else made for it, in place of any from
	// a pool.
	Given []netip.Addr
	// Has are the addresses that stand in the service, whoever put them there.
	Has []netip.Addr
	// Holder is what it puts into a claim. Share is empty where it won't share.
	Holder Holder
	// OverGone lets it take an address that is kept for a service that was
	// deleted, where it asks for that one or no other is free.
	OverGone bool
	// Listed, if not nil, reports whether another service lists an address,
	// which is not for giving away then.
	Listed func(netip.Addr) bool
}

// Choice is what a service gets.
type Choice struct {
	// Addrs are its addresses.
	Addrs []netip.Addr
	// Problems say what it wants and doesn't get, and why. It may have an
	// address all the same.
	Problems []string
}

// Choose says which addresses a service gets: those that it asks for; else
// those that it holds, also from before it was deleted; else those that stand
// in it already, from another time or another balancer; else one that it can
// share; else the first that is free. An address that it can't have keeps none
// from it that it holds.
func (b *Book) Choose(r Request) Choice {
	ch := &chooser{book: b, request: &r, families: slices.Clone(r.Families)}
	for _, a := range r.Given {
		ch.give(a)
	}
	if len(r.Given) > 0 {
		return ch.Choice
	}
	for _, a := range r.Wanted {
		ch.want(a)
	}
	if len(r.Families) == 0 && len(r.Wanted) == 0 {
		ch.any()
	}
	for _, is4 := range slices.Clone(ch.families) { // from which each goes that is served
		ch.one(is4)
	}
	return ch.Choice
}

// chooser is a Choose on its way.
type chooser struct {
	Choice
	book     *Book
	request  *Request
	families []bool // still to be served
}

func (ch *chooser) problem(format string, args ...any) {
	ch.Problems = append(ch.Problems, fmt.Sprintf(format, args...))
}

// give gives the service an address that is from no pool.
func (ch *chooser) give(a netip.Addr) {
	if c := ch.book.Claim(a); c != nil {
		if reason := c.admits(&ch.request.Holder, false); reason != "" {
			ch.problem("address %s: %s", a, reason)
			return
		}
	}
	ch.take(a)
}

// want gives the service an address that it asks for.
func (ch *chooser) want(a netip.Addr) {
	same := func(other netip.Addr) bool { return other.Is4() == a.Is4() }
	if slices.ContainsFunc(ch.Addrs, same) {
		ch.problem("address %s: want at most one of each family", a)
		return
	}
	if reason := ch.refusesNow(a, ch.request.OverGone); reason != "" {
		ch.problem("address %s: %s", a, reason)
		ch.keep(a.Is4())
		ch.served(a.Is4())
		return
	}
	ch.take(a)
}

// take gives the service an address.
func (ch *chooser) take(a netip.Addr) {
	ch.Addrs = append(ch.Addrs, a)
	ch.served(a.Is4())
}

func (ch *chooser) served(is4 bool) {
	ch.families = slices.DeleteFunc(ch.families, func(f bool) bool { return f == is4 })
}

// refuses returns why the service can't have an address; "" if it can.
func (ch *chooser) refuses(a netip.Addr) string { return ch.refusesNow(a, false) }

func (ch *chooser) refusesNow(a netip.Addr, overGone bool) string {
	if ch.book.unreadable(a, ch.request.Holder.Key()) {
		return ""
	}
	p := ch.book.PoolOf(a)
	switch {
	case p == nil:
		return "it is in no pool"
	case !p.Admits(ch.request.Holder.Namespace):
		return fmt.Sprintf("pool %s is not for namespace %s", p.Name, ch.request.Holder.Namespace)
	}
	if c := ch.book.Claim(a); c != nil {
		return c.admits(&ch.request.Holder, overGone)
	}
	return ""
}

// keep gives the service the address of a family that it holds, if it may.
func (ch *chooser) keep(is4 bool) bool {
	for _, a := range ch.book.held[ch.request.Holder.Key()] {
		if a.Is4() == is4 && ch.refuses(a) == "" {
			ch.take(a)
			return true
		}
	}
	return false
}

// any asks for the family of an address that the service holds or has, or
// else for the first of which there is one.
func (ch *chooser) any() {
	for _, a := range slices.Concat(ch.book.held[ch.request.Holder.Key()], ch.request.Has) {
		if ch.refuses(a) == "" {
			ch.families = []bool{a.Is4()}
			return
		}
	}
	ch.families = []bool{true}
	for _, is4 := range []bool{true, false} {
		if _, ok := ch.free(is4); ok {
			ch.families = []bool{is4}
			return
		}
	}
}

// one gives the service an address of a family.
func (ch *chooser) one(is4 bool) {
	if ch.keep(is4) {
		return
	}
	for _, a := range ch.request.Has {
		if a.Is4() == is4 && ch.refuses(a) == "" && !ch.listed(a) {
			ch.take(a)
			return
		}
	}
	if a, ok := ch.shared(is4); ok {
		ch.take(a)
	} else if a, ok := ch.free(is4); ok {
		ch.take(a)
	} else if a, ok := ch.reclaimed(is4); ok {
		ch.take(a)
	} else {
		ch.problem("%s", ch.why(is4))
	}
}

func (ch *chooser) listed(a netip.Addr) bool {
	return ch.request.Listed != nil && ch.request.Listed(a)
}

// shared returns the lowest address that the service can share.
func (ch *chooser) shared(is4 bool) (best netip.Addr, found bool) {
	if ch.request.Holder.Share == "" {
		return
	}
	for a := range ch.book.claims {
		if p := ch.book.PoolOf(a); a.Is4() != is4 || found && !a.Less(best) || p == nil || p.Manual || ch.refuses(a) != "" {
			continue
		}
		best, found = a, true
	}
	return best, found
}

// pools returns those that may give the service an address unasked, in the
// order in which they are used.
func (ch *chooser) pools() []*Pool {
	var pools []*Pool
	for _, p := range ch.book.pools {
		if !p.Manual && p.Admits(ch.request.Holder.Namespace) {
			pools = append(pools, p)
		}
	}
	slices.SortFunc(pools, (*Pool).compare)
	return pools
}

// free returns an address that nobody has.
func (ch *chooser) free(is4 bool) (netip.Addr, bool) {
	taken := func(a netip.Addr) bool { return ch.book.claims[a] != nil || ch.listed(a) }
	for _, p := range ch.pools() {
		if a, ok := p.free(is4, taken); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// reclaimed returns the address whose holders have been gone for longest.
func (ch *chooser) reclaimed(is4 bool) (best netip.Addr, found bool) {
	if !ch.request.OverGone {
		return
	}
	var since time.Time
	pools := ch.pools()
	for a, c := range ch.book.claims {
		gone := c.gone()
		offered := func(p *Pool) bool { return p.Offers(a) }
		if a.Is4() != is4 || gone.IsZero() || found && !gone.Before(since) || !slices.ContainsFunc(pools, offered) {
			continue
		}
		best, since, found = a, gone, true
	}
	return best, found
}

// why says why there is no address.
func (ch *chooser) why(is4 bool) string {
	family := "IPv6"
	if is4 {
		family = "IPv4"
	}
	var full []string
	for _, p := range ch.pools() {
		if size := p.Size(is4); size > 0 {
			full = append(full, fmt.Sprintf("pool %s is full: all its %.0f %s addresses are held", p.Name, size, family))
		}
	}
	switch {
	case len(ch.book.pools) == 0:
		return "there are no address pools: see svcctl pools"
	case len(full) == 0:
		return fmt.Sprintf("no pool gives %s addresses to namespace %s", family, ch.request.Holder.Namespace)
	}
	return strings.Join(full, ", ")
}

// Conflict returns the pool that a pool can't stand beside, and where they
// meet; nil if there is none.
func (b *Book) Conflict(p *Pool) (other *Pool, mine, theirs Range) {
	for _, other := range b.Pools() {
		if other.Name == p.Name {
			continue
		}
		if mine, theirs, ok := p.overlap(other); ok {
			return other, mine, theirs
		}
	}
	return nil, Range{}, Range{}
}

// Stranded returns the claims of services that would lose their address if a
// pool became another one, or went where that is nil: in order.
func (b *Book) Stranded(name string, next *Pool) []*Claim {
	var stranded []*Claim
	for _, c := range b.claims {
		if c.Pool != name {
			continue
		}
		kept := func(h Holder) bool {
			return !h.Gone.IsZero() || next != nil && next.Offers(c.Addr) && next.Admits(h.Namespace)
		}
		if slices.ContainsFunc(c.Holders, func(h Holder) bool { return !kept(h) }) {
			stranded = append(stranded, c)
		}
	}
	slices.SortFunc(stranded, func(x, y *Claim) int { return x.Addr.Compare(y.Addr) })
	return stranded
}

// services lists the holders of claims, for people to read.
func services(claims []*Claim) string {
	var keys []registry.Key
	for _, c := range claims {
		for i := range c.Holders {
			keys = append(keys, c.Holders[i].Key())
		}
	}
	slices.SortFunc(keys, registry.Key.Compare)
	var texts []string
	for _, k := range slices.Compact(keys) {
		texts = append(texts, k.String())
	}
	if more := len(texts) - 3; more > 0 {
		texts = append(texts[:3], fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}
