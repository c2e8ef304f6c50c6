package registry

import (
	"fmt"
	"net/netip"
)

// reserved are networks whose addresses mean something else to every kernel.
var reserved = []struct {
	netip.Prefix
	meaning string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "of this network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/8"), "loopback and IPv4-mapped"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// CheckNetwork returns an error where addresses of a network can't be given
// away, whoever wants to: they mean something else to every kernel.
func CheckNetwork(n netip.Prefix) error {
	for _, r := range reserved {
		if n.Overlaps(r.Prefix) {
			return fmt.Errorf("want addresses outside %s, which are %s", r.Prefix, r.meaning)
		}
	}
	return nil
}

// Unusable returns why nobody can serve at an address, or be served there, for
// people; "" if somebody can (CVE-2020-8555).
func Unusable(a netip.Addr) string {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return "not an address"
	case a.IsUnspecified() || a.Is4() && a.As4()[0] == 0:
		return "an unspecified address"
	case a.IsLoopback():
		return "a loopback address"
	case a.IsLinkLocalUnicast() || a.Zone() != "":
		return "a link-local address"
	case a.IsMulticast():
		return "a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	}
	return ""
}
