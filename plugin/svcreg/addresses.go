package svcreg

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// holders has the services at each address, in the order of their keys. It is
// immutable.
type holders struct {
	registry.Map[netip.Addr, []registry.Key]
}

// moved returns the holders after a service went from some addresses to
// others. Both lists are sorted.
func (h holders) moved(k registry.Key, from, to []netip.Addr) holders {
	for _, addr := range from {
		if _, stays := slices.BinarySearchFunc(to, addr, netip.Addr.Compare); !stays {
			h = h.without(addr, k)
		}
	}
	for _, addr := range to {
		if _, was := slices.BinarySearchFunc(from, addr, netip.Addr.Compare); !was {
			h = h.with(addr, k)
		}
	}
	return h
}

func (h holders) with(addr netip.Addr, k registry.Key) holders {
	keys, _ := h.Get(addr)
	i, _ := slices.BinarySearchFunc(keys, k, registry.Key.Compare)
	return holders{h.With(addr, slices.Insert(slices.Clip(keys), i, k))}
}

func (h holders) without(addr netip.Addr, k registry.Key) holders {
	keys, _ := h.Get(addr)
	keys = slices.DeleteFunc(slices.Clone(keys), func(other registry.Key) bool { return other == k })
	if len(keys) == 0 {
		return holders{h.Without(addr)}
	}
	return holders{h.With(addr, keys)}
}

// sorted returns addresses in their order.
func sorted(addrs []netip.Addr) []netip.Addr {
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}
