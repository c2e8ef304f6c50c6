package iptables

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// The chains that packets enter by, and those that decide on masquerading.
const (
	servicesChain    = ownPrefix + "SERVICES"
	refuseChain      = ownPrefix + "REFUSE"
	postroutingChain = ownPrefix + "POSTROUTING"
	nodePortsChain   = ownPrefix + "NODEPORTS"
	borderChain      = ownPrefix + "BORDER"
	leavingChain     = ownPrefix + "LEAVING"
)

// jump is a rule in one of the kernel's own chains that leads to ours.
type jump struct{ table, chain, rule string }

// jumps are all of them. Only new connections pass table nat at all.
var jumps = []jump{
	{tableNAT, "PREROUTING", "-j " + servicesChain},
	{tableNAT, "OUTPUT", "-j " + servicesChain},
	{tableNAT, "POSTROUTING", "-m conntrack --ctstate DNAT -j " + postroutingChain},
	{tableFilter, "INPUT", "-m conntrack --ctstate NEW -j " + refuseChain},
	{tableFilter, "FORWARD", "-m conntrack --ctstate NEW -j " + refuseChain},
	{tableFilter, "OUTPUT", "-m conntrack --ctstate NEW -j " + refuseChain},
}

// base is what the base chains depend on besides the trees.
type base struct {
	clusterCIDRs, portals []netip.Prefix
	nodePorts             []netip.Prefix // Config.NodePortAddrs
	masqueradeAll         bool
	randomFully           bool
}

// equal reports whether the same base chains come of another one.
func (b base) equal(other base) bool {
	return slices.Equal(b.clusterCIDRs, other.clusterCIDRs) && slices.Equal(b.portals, other.portals) &&
		slices.Equal(b.nodePorts, other.nodePorts) && b.masqueradeAll == other.masqueradeAll && b.randomFully == other.randomFully
}

// Classic BPF programs that match packets whose source is their destination:
// a connection of an endpoint to its own service, once translated. They load
// the source (offset 12 in IPv4, 8 in IPv6, a word at a time) into X and
// compare the destination with it. See bpf(4) for the instructions: code, jt,
// jf, k.
const (
	hairpin4 = "6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,6 0 0 65535,6 0 0 0"
	hairpin6 = "18,32 0 0 8,7 0 0 0,32 0 0 24,29 0 13 0,32 0 0 12,7 0 0 0,32 0 0 28,29 0 9 0," +
		"32 0 0 16,7 0 0 0,32 0 0 32,29 0 5 0,32 0 0 20,7 0 0 0,32 0 0 36,29 0 1 0,6 0 0 65535,6 0 0 0"
)

// baseChains returns the chains above the trees. Their depths are negative:
// they are the last to be written.
func (s state) baseChains() []*chain {
	services := &chain{table: tableNAT, name: servicesChain, depth: -1}
	refuse := &chain{table: tableFilter, name: refuseChain, depth: -1}
	if s.filter != (trees{}) {
		refuse.add("-m conntrack --ctstate DNAT -j RETURN")
	}
	chains := append(s.lead(services, s.nat), s.lead(refuse, s.filter)...)
	chains = append(chains, s.postrouting())
	if s.guardsBorder() {
		chains = append(chains, s.border(), s.leaving())
	}
	return chains
}

// lead returns a chain that leads to a table's trees, and the one in between.
func (s state) lead(c *chain, t trees) []*chain {
	if t.addressed != nil {
		c.add("%s-j %s", t.addressed.span.match(span{}), t.addressed.span.chain())
	}
	if t.ports == nil || !s.opensNodePorts() {
		return []*chain{c}
	}
	c.add("%s-m addrtype --dst-type LOCAL -g %s", t.ports.span.match(span{}), nodePortsChain)
	return []*chain{c, s.nodePorts(c.table, t.ports)}
}

// unreachable are a node's addresses that others can't reach it at: they never
// take node ports.
var unreachable = map[rules.Family][]netip.Prefix{
	rules.IPv4: {netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16")},
	rules.IPv6: {netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fe80::/10")},
}

// opensNodePorts reports whether any address of the family takes node ports.
func (s state) opensNodePorts() bool {
	return len(s.base.nodePorts) == 0 || len(s.family.Only(s.base.nodePorts)) > 0
}

// nodePorts returns the chain that packets to addresses of the node come to,
// when no frontend with an address of its own took them.
func (s state) nodePorts(table string, root *node) *chain {
	c := &chain{table: table, name: nodePortsChain, depth: 0}
	for _, p := range unreachable[s.family] {
		c.add("-d %v -j RETURN", p)
	}
	for _, p := range s.family.Only(s.base.nodePorts) {
		c.add("%s-g %s", destination(p), root.span.chain())
	}
	if len(s.base.nodePorts) == 0 {
		c.add("-g %s", root.span.chain())
	}
	return c
}

// destination returns the match for packets to a network, with a space behind
// it; "" for a network that is all addresses.
func destination(p netip.Prefix) string {
	if p.Bits() == 0 {
		return ""
	}
	return "-d " + p.String() + " "
}

// postrouting returns the chain of connections that were translated, by us or
// by others: it masquerades those that are public, those of an endpoint to
// itself, and what the configuration says about portal IPs.
func (s state) postrouting() *chain {
	c := &chain{table: tableNAT, name: postroutingChain, depth: -3}
	c.add("-m mark --mark %s %s", publicMark, s.masquerade())
	program := hairpin4
	if s.family == rules.IPv6 {
		program = hairpin6
	}
	c.add("-m bpf --bytecode %q %s", program, s.masquerade())
	if len(s.portals()) > 0 && (s.base.masqueradeAll || s.guardsBorder()) {
		c.add("-m mark --mark %s -j RETURN", outsideMark)
	}
	for _, p := range s.portals() {
		switch {
		case s.base.masqueradeAll:
			c.add("-m conntrack --ctorigdst %v %s", original(p), s.masquerade())
		case s.guardsBorder():
			c.add("-m conntrack --ctorigdst %v -j %s", original(p), borderChain)
		}
	}
	return c
}

// border returns the chain of connections to portal IPs: those that come from
// outside the cluster to a pod are masqueraded.
func (s state) border() *chain {
	c := &chain{table: tableNAT, name: borderChain, depth: -2}
	for _, p := range s.cluster() {
		c.add("-s %v -g %s", p, leavingChain)
	}
	for _, p := range s.cluster() {
		c.add("-d %v %s", p, s.masquerade())
	}
	return c
}

// leaving returns the chain of connections from pods to portal IPs: those that
// go to an endpoint outside the cluster are masqueraded.
func (s state) leaving() *chain {
	c := &chain{table: tableNAT, name: leavingChain, depth: -1}
	for _, p := range s.cluster() {
		c.add("-d %v -j RETURN", p)
	}
	c.add("%s", s.masquerade())
	return c
}

func (s state) guardsBorder() bool { return !s.base.masqueradeAll && len(s.cluster()) > 0 }

func (s state) cluster() []netip.Prefix { return s.family.Only(s.base.clusterCIDRs) }

// portals returns the family's portal networks; where they are not known, the
// tightest prefix around the portal IPs.
func (s state) portals() []netip.Prefix {
	if known := s.family.Only(s.base.portals); len(known) > 0 {
		return known
	}
	if root := s.nat.addressed; root != nil && root.portals.IsValid() {
		return []netip.Prefix{root.portals}
	}
	return nil
}

func (s state) masquerade() string {
	if s.base.randomFully {
		return "-j MASQUERADE --random-fully"
	}
	return "-j MASQUERADE"
}

// original returns a prefix as conntrack's matches print it.
func original(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
