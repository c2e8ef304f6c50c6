// Package iptables carries out a rules.Ruleset with iptables, for IPv4 and
// IPv6, on the nft and on the legacy backend.
//
// # Shape
//
// The frontends of a family stand in a prefix tree of chains: by address, and
// where one address has many, by protocol and port. Each chain handles all
// frontends inside one prefix, and its name says which: whatever shape the tree
// has, a chain's content is a function of the frontends inside its prefix and of
// nothing else. So a change rewrites a chain or two, new
// chains can be written before those that lead to them, and at every moment
// each chain is right, as of before the change or after it. A packet passes a
// match or two for each level of the tree, however many services there are.
//
// Table nat holds the trees that translate, behind SVCREG-SERVICES: one of the
// frontends with an address, and for packets to the node that none of those took,
// one of the node ports, behind SVCREG-NODEPORTS. A frontend that tells its
// clients apart has chains of its own: who may connect, who comes from outside.
// Table filter holds such trees for what nat leaves as it is: connections to
// frontends without backends, or from those who may not connect, are refused or
// dropped behind SVCREG-REFUSE. SVCREG-POSTROUTING masquerades where replies
// would otherwise miss this node.
//
// # Manners
//
// Rules go in through iptables-restore --noflush, a transaction of only those
// chains that differ. Nothing but the chains whose names begin with SVCREG-
// and the jumps to them is ever touched.
package iptables

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
)

// The iptables backends that Config.Mode can ask for.
const (
	// ModeAuto is the backend that the machine's plain iptables command uses.
	ModeAuto = "auto"
	// ModeNFT is the nf_tables backend, iptables-nft.
	ModeNFT = "nft"
	// ModeLegacy is the x_tables backend, iptables-legacy.
	ModeLegacy = "legacy"
)

// Config says how rules are carried out.
type Config struct {
	// Mode is ModeAuto, ModeNFT or ModeLegacy; empty means ModeAuto.
	Mode string
	// ClusterCIDRs are where pods live. Connections to a portal IP that cross
	// that border, either way, are masqueraded.
	ClusterCIDRs []netip.Prefix
	// MasqueradeAll masquerades every connection to a portal IP.
	MasqueradeAll bool
	// NodePortAddrs are the networks of those addresses of the node that
	// take node ports; none means all but loopback and link-local ones, which
	// never do.
	NodePortAddrs []netip.Prefix
	// PortalNetworks are the networks of portal IPs, where Sync isn't told
	// them. With none, the tightest prefix around the portal IPs stands in.
	PortalNetworks []netip.Prefix
	// Logger is where news goes; nil means slog.Default().
	Logger *slog.Logger
}

// Validate returns what is wrong with a configuration.
func (c Config) Validate() error {
	modes := []string{"", ModeAuto, ModeNFT, ModeLegacy}
	if !slices.Contains(modes, c.Mode) {
		return fmt.Errorf("iptables backend %q: want auto, nft or legacy", c.Mode)
	}
	for name, prefixes := range map[string][]netip.Prefix{
		"cluster CIDR": c.ClusterCIDRs, "portal network": c.PortalNetworks, "node port addresses": c.NodePortAddrs,
	} {
		for _, p := range prefixes {
			if !p.IsValid() {
				return fmt.Errorf("%s: %v: want a network such as 10.0.0.0/8", name, p)
			}
		}
	}
	return nil
}

func (c Config) logger() *slog.Logger { return cmp.Or(c.Logger, slog.Default()) }

// base returns what the configuration says about the base chains.
func (c Config) base(portal []netip.Prefix, randomFully bool) base {
	if len(portal) == 0 {
		portal = c.PortalNetworks
	}
	return base{c.ClusterCIDRs, portal, c.NodePortAddrs, c.MasqueradeAll, randomFully}
}
