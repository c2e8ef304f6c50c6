package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Fate is what becomes of a packet.
type Fate uint8

// The fates of a packet: it is for no service and passes untouched, it is sent
// to a backend, answered with a refusal, or dropped without a word.
const (
	Passed Fate = iota
	Sent
	Refused
	Dropped
)

var fateNames = [...]string{"passed", "sent", "refused", "dropped"}

// String returns the fate in lower case.
func (f Fate) String() string { return fateNames[f] }

// Verdict is what becomes of the first packet of a connection, and why.
type Verdict struct {
	Fate
	// Rule is the one that decides; zero where the packet passes. Outside says
	// that its target for clients outside the cluster does.
	Rule    Rule
	Outside bool
	// To are the backends that may get it, each with its share. It is sent to
	// one of them.
	To []Hop
	// Reasons say for people how it came to this, a sentence each.
	Reasons []string
}

// Hop is a backend that may get a packet.
type Hop struct {
	Backend
	// Masqueraded says that the backend sees this node as the client.
	Masqueraded bool
}

// String returns the verdict in short, such as
// "sent to 10.1.0.1:8080*3 10.1.0.2:8080 (masqueraded)".
func (v Verdict) String() string {
	if v.Fate != Sent {
		return v.Fate.String()
	}
	var b strings.Builder
	b.WriteString("sent to")
	for _, h := range v.To {
		b.WriteString(" " + Target{Backends: []Backend{h.Backend}}.String())
		if h.Masqueraded {
			b.WriteString(" (masqueraded)")
		}
	}
	return b.String()
}

// Trace returns what becomes of a new connection from a client to an address.
func Trace(r *Ruleset, client netip.Addr, to Frontend) Verdict {
	client = client.Unmap()
	rule, ok := r.Lookup(r.Resolve(to))
	if !ok {
		return Verdict{Reasons: []string{fmt.Sprintf("%v is no service's", to)}}
	}
	v := Verdict{Rule: rule}
	v.because("%v is %s of %v", to, rule.sort(), rule.Service)
	if !r.admits(&v, client) {
		return v
	}
	target := rule.Target
	v.Outside = rule.Outside != nil && r.policy.isOutside(client)
	if v.Outside {
		target = *rule.Outside
		v.because("%v is outside the cluster: only endpoints of this node serve it", client)
	}
	switch {
	case len(target.Backends) > 0:
		v.Fate = Sent
	case target.Drop:
		v.Fate = Dropped
		v.because("no endpoint of this node serves: dropped")
	default:
		v.Fate = Refused
		v.because("no endpoint serves: refused")
	}
	for _, b := range target.Backends {
		why := r.policy.masquerades(&rule, client, b.Addr(), v.Outside)
		v.To = append(v.To, Hop{b, why != ""})
		if why = "masqueraded: " + why; why != "masqueraded: " && !slices.Contains(v.Reasons, why) {
			v.Reasons = append(v.Reasons, why)
		}
	}
	return v
}

func (v *Verdict) because(format string, args ...any) {
	v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
}

// sort returns what sort of frontend a rule is for.
func (r *Rule) sort() string {
	switch {
	case r.IsNodePort():
		return "a node port"
	case r.External:
		return "a public address"
	}
	return "a portal IP"
}

// admits reports whether a client may connect, and says why not.
func (r *Ruleset) admits(v *Verdict, client netip.Addr) bool {
	if v.Rule.Sources == nil || contains(v.Rule.Sources, client) || r.policy.isHere(client) {
		return true
	}
	v.Fate = Dropped
	v.because("%v is not in loadBalancerSourceRanges: dropped", client)
	return false
}

// isHere reports whether a client is this node itself.
func (p *Policy) isHere(client netip.Addr) bool {
	return client.IsLoopback() || slices.Contains(p.NodeAddrs, client)
}

// isOutside reports whether a client is neither in the cluster nor this node.
func (p *Policy) isOutside(client netip.Addr) bool {
	return !p.isHere(client) && !contains(p.ClusterCIDRs, client)
}

// masquerades returns why a connection to a backend is masqueraded; "" if it
// isn't.
func (p *Policy) masquerades(r *Rule, client, backend netip.Addr, outside bool) string {
	inside := func(a netip.Addr) bool { return contains(p.ClusterCIDRs, a) }
	switch {
	case client == backend:
		return fmt.Sprintf("%v connects to itself", client)
	case outside:
		return ""
	case r.External:
		return "replies must come back by way of this node"
	case p.MasqueradeAll:
		return "all connections to portal IPs are"
	case inside(client) != inside(backend):
		return "the connection crosses the border of the cluster's networks"
	}
	return ""
}
