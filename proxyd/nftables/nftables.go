// Package nftables carries out a rules.Ruleset with nftables, for IPv4 in
// table "ip svcreg" and for IPv6 in table "ip6 svcreg". (Two tables, as every
// map has addresses in its keys: one of family inet would need all maps twice,
// and a match on the family before each of them.)
//
// # Shape
//
// The chains are the same whatever the services: services are elements of maps
// and nothing else, so that a change costs what it changes, and a packet the
// same however many services there are.
//
//	frontends: address . protocol . port        → class
//	dispatch:  class                            → a chain for all of that class
//	endpoints: address . protocol . port . slot → endpoint's address . port
//
// A class is mostly a number of slots. Its chain draws one of them at random
// and goes on to where the map of endpoints is asked. A backend of weight 3 has
// three slots. There are classes, too, of frontends that refuse, that drop, that
// ask for the client's address first (maps sources and admitted) or send clients
// from outside the cluster elsewhere (maps inside and outside), and of those
// whose clients stay with their endpoint:
//
//	affinity: address . protocol . port . client → id, which the kernel adds
//	picks:    address . protocol . port . slot   → id
//	sticky:   address . protocol . port . id     → endpoint's address . port
//
// An endpoint's id doesn't depend on the others, so that clients stay where
// they are when others come and go; one whose endpoint went away gets another.
//
// A node port's elements have the unspecified address.
//
// The class, then the slot, stand in the packet's priority, the one register
// that nft(8) can write to and look up: that of the first packet of a connection
// to a service, which routing sets anew. The mark that packet filters and
// policy routing go by is left alone but for markMasquerade and markPortal.
//
// All of it happens in chains of type nat, which only the first packet of a
// connection meets, refusals included. So Linux 5.10 or newer is needed.
//
// # Manners
//
// Chains are written as text, by nft(8): at the start, and for a class that is
// new. Elements go in and out by netlink, those that differ, in one transaction.
// A restart adopts what stands: chains by a fingerprint that stands in the table
// itself, elements by reading them. Chains that are another version's, or
// damaged, are replaced together with all elements in one transaction, so that
// there is no moment without rules. Nothing outside the two tables is touched.
package nftables

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// tableName is that of both tables.
const tableName = "svcreg"

// Config says how rules are carried out.
type Config struct {
	// ClusterCIDRs are where pods live. Connections to a portal IP that cross
	// that border, either way, are masqueraded.
	ClusterCIDRs []netip.Prefix
	// MasqueradeAll masquerades every connection to a portal IP.
	MasqueradeAll bool
	// NodePortAddrs are the networks that the node's addresses must be in to
	// take node ports. With none, all do but the loopback's and link-local ones,
	// which never do.
	NodePortAddrs []netip.Prefix
	// Logger is where news goes; nil means slog.Default().
	Logger *slog.Logger
}

// Validate returns what is wrong with a configuration.
func (c Config) Validate() error {
	for name, prefixes := range map[string][]netip.Prefix{"cluster CIDR": c.ClusterCIDRs, "node port network": c.NodePortAddrs} {
		for _, p := range prefixes {
			if !p.IsValid() {
				return fmt.Errorf("%s: %v: want a network such as 10.0.0.0/8", name, p)
			}
		}
	}
	return nil
}

func (c Config) logger() *slog.Logger { return cmp.Or(c.Logger, slog.Default()) }

// probe returns the families that the machine has, or why nftables can't be
// used.
func probe() ([]rules.Family, error) {
	if _, err := exec.LookPath(nftCommand); err != nil {
		return nil, fmt.Errorf("nftables: %w (on Debian: apt install nftables)", err)
	}
	if _, err := os.Stat("/proc/net/if_inet6"); errors.Is(err, fs.ErrNotExist) {
		return []rules.Family{rules.IPv4}, nil
	}
	return []rules.Family{rules.IPv4, rules.IPv6}, nil
}
