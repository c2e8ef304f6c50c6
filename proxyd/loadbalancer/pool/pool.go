// Package pool is about the addresses that load balancers get: pools, from
// which they are taken, and claims, which say who holds one. It knows how they
// stand in etcd, below the registry's prefix:
//
//	svcreg/pools/<name>          a pool, in JSON, written by svcctl pools
//	svcreg/addresses/<address>   a claim, written by proxyd's load balancer
//
// A pool is
//
//	{"kind": "AddressPool", "apiVersion": "svcreg.io/v1",
//	 "metadata": {"name": "public"},
//	 "spec": {"addresses": ["203.0.113.0/28", "203.0.113.40-203.0.113.49", "2001:db8::100/120"],
//	          "namespaces": ["shop", "blog"],
//	          "avoidBuggyIPs": true, "autoAssign": false, "priority": 10}}
//
// of which only name and addresses must be there. Every address of a network
// is given away, its first and last too, unless avoidBuggyIPs says that those
// of IPv4 which end in .0 and .255 are not. Without namespaces it is for all.
// With autoAssign false only services that ask for one of its addresses get
// one. Of several pools the one with the highest priority is taken, 0 where
// none is written, then one that names the namespace, then the first by name.
package pool

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry/codec"
)

// Pool is a number of addresses, and who may have them.
type Pool struct {
	Name   string
	Ranges []Range
	// Namespaces are those whose services may have the addresses; none means
	// all.
	Namespaces []string
	// AvoidBuggyIPs keeps back the addresses of IPv4 that end in .0 and .255,
	// which some old devices take for broadcast.
	AvoidBuggyIPs bool
	// Manual keeps the addresses for services that ask for them.
	Manual bool
	// Priority says which pool is used first: the one with the highest.
	Priority int
	// Revision is the etcd revision at which the pool was written.
	Revision int64
}

// Offers reports whether an address is one of the pool's.
func (p *Pool) Offers(a netip.Addr) bool {
	return slices.ContainsFunc(p.Ranges, func(r Range) bool { return r.Contains(a) }) && !p.avoids(a)
}

func (p *Pool) avoids(a netip.Addr) bool { return p.AvoidBuggyIPs && buggy(a) }

// Admits reports whether services of a namespace may have its addresses.
func (p *Pool) Admits(namespace string) bool {
	return len(p.Namespaces) == 0 || slices.Contains(p.Namespaces, namespace)
}

// Size returns how many addresses of a family the pool offers.
func (p *Pool) Size(is4 bool) float64 {
	var size float64
	for _, r := range p.Ranges {
		if r.First.Is4() == is4 {
			size += r.size(p.AvoidBuggyIPs)
		}
	}
	return size
}

// free returns the first address of a family that isn't taken.
func (p *Pool) free(is4 bool, taken func(netip.Addr) bool) (netip.Addr, bool) {
	for _, r := range p.Ranges {
		if r.First.Is4() != is4 {
			continue
		}
		for a := r.First; r.Contains(a); a = a.Next() {
			if !p.avoids(a) && !taken(a) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// compare orders pools as a namespace uses them.
func (p *Pool) compare(other *Pool) int {
	named := func(p *Pool) int { return min(1, len(p.Namespaces)) }
	return cmp.Or(cmp.Compare(other.Priority, p.Priority), cmp.Compare(named(other), named(p)), cmp.Compare(p.Name, other.Name))
}

// overlap returns a range of each of two pools that have addresses in common.
func (p *Pool) overlap(other *Pool) (mine, theirs Range, ok bool) {
	for _, mine := range p.Ranges {
		for _, theirs := range other.Ranges {
			if mine.overlaps(theirs) {
				return mine, theirs, true
			}
		}
	}
	return Range{}, Range{}, false
}

// Dir returns what the keys of pools begin with.
func Dir(l codec.Layout) string { return l.Prefix() + "/svcreg/pools/" }

// Key returns the key of a pool.
func Key(l codec.Layout, name string) string { return Dir(l) + name }
