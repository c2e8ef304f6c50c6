package pool

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// Book is all pools and claims of a registry. It is one goroutine's.
type Book struct {
	pools  map[string]*Pool
	claims map[netip.Addr]*Claim
	held   map[registry.Key][]netip.Addr // by each service, in order
	gone   map[netip.Addr]bool           // addresses with a holder that is gone
	broken map[string]bool               // pools that can't be read
}

// NewBook returns a book with nothing in it.
func NewBook() *Book {
	return &Book{
		pools: map[string]*Pool{}, claims: map[netip.Addr]*Claim{},
		held: map[registry.Key][]netip.Addr{}, gone: map[netip.Addr]bool{}, broken: map[string]bool{},
	}
}

// Update is news of pools and claims. Those that are nil are gone.
type Update struct {
	// Anew says that this is everything: what it doesn't name is gone.
	Anew   bool
	Pools  map[string]*Pool
	Claims map[netip.Addr]*Claim
	// Broken are pools that can't be read: they stay what they were, and their
	// addresses with those who hold them.
	Broken []string
}

// Apply takes news in. What is older than what is known is no news.
func (b *Book) Apply(u Update) {
	if u.Anew {
		pools := b.pools
		*b = *NewBook()
		for _, name := range u.Broken {
			if p := pools[name]; p != nil {
				b.pools[name] = p
			}
		}
	}
	for _, name := range u.Broken {
		b.broken[name] = true
	}
	for name, p := range u.Pools {
		if delete(b.broken, name); p == nil {
			delete(b.pools, name)
		} else {
			b.pools[name] = p
		}
	}
	for a, c := range u.Claims {
		if have := b.claims[a]; have == nil || c == nil || c.Revision >= have.Revision {
			b.claim(a, c)
		}
	}
}

// claim notes who holds an address; nil for nobody.
func (b *Book) claim(a netip.Addr, c *Claim) {
	if old := b.claims[a]; old != nil {
		for i := range old.Holders {
			k := old.Holders[i].Key()
			b.held[k] = slices.DeleteFunc(b.held[k], func(other netip.Addr) bool { return other == a })
			if len(b.held[k]) == 0 {
				delete(b.held, k)
			}
		}
		delete(b.claims, a)
		delete(b.gone, a)
	}
	if c == nil {
		return
	}
	b.claims[a] = c
	for i := range c.Holders {
		k := c.Holders[i].Key()
		if !c.Holders[i].Gone.IsZero() {
			b.gone[a] = true
		}
		b.held[k] = append(b.held[k], a)
		slices.SortFunc(b.held[k], netip.Addr.Compare)
	}
}

// Pool returns the pool of a name, or nil.
func (b *Book) Pool(name string) *Pool { return b.pools[name] }

// Pools returns all pools in the order of their names.
func (b *Book) Pools() []*Pool {
	return slices.SortedFunc(maps.Values(b.pools), func(x, y *Pool) int { return cmp.Compare(x.Name, y.Name) })
}

// Claim returns the claim of an address, or nil.
func (b *Book) Claim(a netip.Addr) *Claim { return b.claims[a] }

// Claims yields all claims, in no order.
func (b *Book) Claims() iter.Seq[*Claim] { return maps.Values(b.claims) }

// Held returns the addresses that a service holds, those kept for it too, in
// order.
func (b *Book) Held(k registry.Key) []netip.Addr { return slices.Clone(b.held[k]) }

// Holders yields all services that hold an address, in no order.
func (b *Book) Holders() iter.Seq[registry.Key] { return maps.Keys(b.held) }

// Gone yields the services that hold an address and are gone, and when that was
// found, in no order.
func (b *Book) Gone() iter.Seq2[registry.Key, time.Time] {
	return func(yield func(registry.Key, time.Time) bool) {
		for a := range b.gone {
			for _, h := range b.claims[a].Holders {
				if !h.Gone.IsZero() && !yield(h.Key(), h.Gone) {
					return
				}
			}
		}
	}
}

// Assigned reports whether a service holds an address and isn't gone.
func (b *Book) Assigned(k registry.Key, a netip.Addr) bool {
	c := b.claims[a]
	if c == nil {
		return false
	}
	h := c.Holder(k)
	return h != nil && h.Gone.IsZero()
}

// Used returns how many addresses of each pool are claimed.
func (b *Book) Used() map[string]int {
	used := map[string]int{}
	for _, c := range b.claims {
		used[c.Pool]++
	}
	return used
}

// PoolOf returns the pool that offers an address, or nil.
func (b *Book) PoolOf(a netip.Addr) *Pool {
	for _, p := range b.pools {
		if p.Offers(a) {
			return p
		}
	}
	return nil
}

// unreadable reports whether a service holds an address of a pool that can't be
// read, so that nothing is known against it.
func (b *Book) unreadable(a netip.Addr, k registry.Key) bool {
	c := b.claims[a]
	return c != nil && b.broken[c.Pool] && c.Holder(k) != nil
}
