package rules

import (
	"cmp"
	"net/netip"

	"github.com/svcreg/svcreg/registry"
)

// Frontend is where clients reach a service: one of its addresses, a
// protocol and a port. That of a node port has the unspecified address of its
// family, which stands for each address of the node that takes node ports. A
// frontend with an address of its own comes before one of those.
type Frontend struct {
	Addr     netip.Addr
	Protocol registry.Protocol
	Port     uint16
}

// String returns the frontend as "10.0.0.11:6379/TCP".
func (f Frontend) String() string {
	return netip.AddrPortFrom(f.Addr, f.Port).String() + "/" + string(f.Protocol)
}

// Compare orders frontends by address, then protocol, then port.
func (f Frontend) Compare(other Frontend) int {
	return cmp.Or(f.Addr.Compare(other.Addr), cmp.Compare(f.Protocol, other.Protocol), cmp.Compare(f.Port, other.Port))
}

// IsNodePort reports whether the frontend is a node port.
func (f Frontend) IsNodePort() bool { return f.Addr.IsUnspecified() }

// everywhere returns the node port of the same family, protocol and port.
func (f Frontend) everywhere() Frontend {
	f.Addr = unspecified(f.Addr.Is4())
	return f
}

func unspecified(is4 bool) netip.Addr {
	if is4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
