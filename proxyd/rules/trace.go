package rules

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Verdict is what becomes of the first packet of a connection.
type Verdict struct {
	// Service is whose frontend the packet is for; zero where it is for none,
	// and passes untouched.
	Service registry.Key
	// Refused says that the packet is answered with a refusal.
	Refused bool
	// To are the backends that may get it, each as likely as any other.
	To []netip.AddrPort
	// Masquerade says that the backend sees this node as the client, because
	// the frontend is public. Hairpin lists the backends for which it does
	// because client and backend are the same.
	Masquerade bool
	Hairpin    []netip.AddrPort
}

// Trace returns what becomes of a new connection from a client to an address.
// What backends of the data plane add by their own configuration, such as
// masquerading everything, is not in it.
func Trace(r *Ruleset, client netip.Addr, to Frontend) Verdict {
	rule, ok := r.Lookup(to)
	if !ok {
		return Verdict{}
	}
	return Verdict{
		Service:    rule.Service,
		Refused:    len(rule.Backends) == 0,
		To:         rule.Backends,
		Masquerade: rule.Masquerade,
		Hairpin: slices.DeleteFunc(slices.Clone(rule.Backends), func(b netip.AddrPort) bool {
			return b.Addr() != client
		}),
	}
}
