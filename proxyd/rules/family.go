package rules

import "net/netip"

// Family is an address family. The kernel has rules of each apart.
type Family uint8

// The families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// String returns "IPv4" or "IPv6".
func (f Family) String() string {
	if f == IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// Has reports whether an address is of the family.
func (f Family) Has(a netip.Addr) bool { return a.Is4() == (f == IPv4) }

// Only returns the networks that are of the family.
func (f Family) Only(networks []netip.Prefix) []netip.Prefix {
	var same []netip.Prefix
	for _, p := range networks {
		if f.Has(p.Addr()) {
			same = append(same, p.Masked())
		}
	}
	return same
}
