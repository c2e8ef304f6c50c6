// Package rules says what the data plane of a node has to do: it turns a
// registry snapshot into a Ruleset, which says for each address, protocol and
// port of a service where new connections go, and keeps it current at a cost
// that does not grow with the registry.
//
// The package is pure: it knows neither iptables nor nftables, touches
// nothing, and the same snapshot and policy always give the same Ruleset.
package rules

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// Frontend is where clients reach a service: one of its addresses, a
// protocol and a port.
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

// Rule is what happens to new connections to a Frontend.
type Rule struct {
	Frontend
	// Service and PortName say whose frontend this is.
	Service  registry.Key
	PortName string
	// Backends are where connections go, each as likely as any other; sorted
	// and unique. None means that they are refused at once.
	Backends []netip.AddrPort
	// Affinity is how long a client stays with its backend; zero means not at
	// all.
	Affinity time.Duration
	// Masquerade says that replies have to come back by way of this node, as
	// they do for public addresses.
	Masquerade bool
}

// Equal reports whether two rules are the same.
func (r Rule) Equal(other Rule) bool {
	return r.Frontend == other.Frontend && r.Service == other.Service && r.PortName == other.PortName &&
		r.Affinity == other.Affinity && r.Masquerade == other.Masquerade && slices.Equal(r.Backends, other.Backends)
}

// Refusal is a frontend that a service asks for and doesn't get.
type Refusal struct {
	Service registry.Key
	Frontend
	// Reason says why, for people: "10.0.0.11 is held by my-ns/other".
	Reason string
}
