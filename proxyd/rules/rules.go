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

// Rule is what happens to new connections to a Frontend.
type Rule struct {
	Frontend
	// Service and PortName say whose frontend this is.
	Service  registry.Key
	PortName string
	// Target is where connections go, but for those that Outside is for.
	Target
	// Outside, if not nil, is where those go that come from outside the
	// cluster: neither from the cluster's networks nor from this node. They
	// keep their source address (externalTrafficPolicy Local).
	Outside *Target
	// Sources, if not nil, are the networks that may connect, of the
	// frontend's family, sorted and without overlap; there is at least one.
	// What comes from elsewhere is dropped, but for what this node itself
	// sends (loadBalancerSourceRanges).
	Sources []netip.Prefix
	// Affinity is how long a client stays with its backend; zero means not at
	// all.
	Affinity time.Duration
	// External says that the frontend is a public or load balancer's address
	// or a node port. Replies have to come back by way of this node: so
	// connections are masqueraded, but for those to Outside.
	External bool
}

// Target is where connections go, or what becomes of them where nobody serves.
type Target struct {
	// Backends are sorted by address, each of them once. Other rules may
	// share them.
	Backends []Backend
	// Drop says, where there are no backends, that connections are dropped
	// without a word, as endpoints of other nodes serve; else they are refused
	// at once (a TCP reset, ICMP port unreachable).
	Drop bool
}

// Backend is an endpoint that connections go to.
type Backend struct {
	netip.AddrPort
	// Weight is the backend's share of new connections, against those of the
	// others; at least 1. The weights of a Target are as small as they can
	// be, and 1 where all are the same.
	Weight uint16
}

// Equal reports whether two rules are the same.
func (r Rule) Equal(other Rule) bool {
	return r.Frontend == other.Frontend && r.Service == other.Service && r.PortName == other.PortName &&
		r.Affinity == other.Affinity && r.External == other.External && slices.Equal(r.Sources, other.Sources) &&
		(r.Outside == nil) == (other.Outside == nil) && (r.Outside == nil || r.Outside.Equal(*other.Outside)) &&
		r.Target.Equal(other.Target)
}

// Equal reports whether two targets are the same.
func (t Target) Equal(other Target) bool {
	return t.Drop == other.Drop && slices.Equal(t.Backends, other.Backends)
}

// Sends reports whether the rule sends connections to a backend.
func (r *Rule) Sends(to netip.AddrPort) bool {
	return r.Target.has(to) || r.Outside != nil && r.Outside.has(to)
}

func (t *Target) has(at netip.AddrPort) bool {
	_, found := slices.BinarySearchFunc(t.Backends, at, func(b Backend, at netip.AddrPort) int {
		return b.AddrPort.Compare(at)
	})
	return found
}

// Slots returns the sum of the backends' weights: how many parts connections
// are divided into.
func (t *Target) Slots() int {
	sum := 0
	for _, b := range t.Backends {
		sum += int(b.Weight)
	}
	return sum
}

// Refusal is something that a service asks for and doesn't get.
type Refusal struct {
	Service registry.Key
	// Frontend is what the service doesn't get; zero where it is something
	// else, that Reason names.
	Frontend
	// Reason says why, for people: "held by my-ns/other".
	Reason string
}

// compare orders refusals by their services and then by their frontends.
func (r Refusal) compare(other Refusal) int {
	return cmp.Or(r.Service.Compare(other.Service), r.Frontend.Compare(other.Frontend), cmp.Compare(r.Reason, other.Reason))
}

// String returns "my-ns/my-service: 192.0.2.1:80/TCP: " and the reason.
func (r Refusal) String() string {
	if r.Frontend == (Frontend{}) {
		return r.Service.String() + ": " + r.Reason
	}
	return r.Service.String() + ": " + r.Frontend.String() + ": " + r.Reason
}
