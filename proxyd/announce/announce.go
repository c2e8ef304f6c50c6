// Package announce makes one node answer for each address that svcreg gave to
// a service: by ARP for IPv4, by neighbour advertisements for IPv6. The
// addresses are on no interface; what comes for them is translated by the
// node's rules before it is routed.
//
// Every node that takes part holds a lease in etcd, and by it a record of what
// it reaches, at svcreg/announcers/NODE. For each address all nodes choose the
// same one among those that hold their lease, reach the address's subnet and
// have a ready path to its services (rendezvous hashing, so that only
// addresses of a node that comes or goes move). The chosen node claims the
// address by a key under its lease, svcreg/announced/ADDRESS, which it can only
// create where there is none. It announces while it holds both: nobody else
// does at the same time, even while nodes see different states of etcd.
//
// A node that can't be sure of its lease is silent. Time is counted from when
// the last keepalive that succeeded was sent, by the monotonic clock, and ends
// an eighth before the lease can end in etcd. Each frame is checked against
// that, so a process that was stopped for a while sends nothing when it goes
// on.
//
// A node that comes, or comes back, is chosen for what another could announce
// only after Config.Settle, so that one that fails again and again moves no
// address each time.
//
// Before an address that no node announced shortly before is claimed, the
// segment is asked whether another host has it (RFC 5227, and RFC 4862 for
// IPv6); if one answers, it is left alone, and asked for again later.
//
// The kernel needs nothing but forwarding (net.ipv4.ip_forward,
// net.ipv6.conf.all.forwarding). arp_ignore and arp_announce don't matter: the
// kernel never speaks for these addresses. Strict rp_filter is fine where
// answers to clients leave by the interface on which they came in. The process
// needs CAP_NET_RAW.
package announce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

// DefaultTTL is how long after a node's sudden death its lease ends. It is the
// shortest that etcd grants with its default settings (one and a half election
// timeouts, in whole seconds); etcd looks for ended leases every half second.
const DefaultTTL = 2 * time.Second

// DefaultSettle is how long a node that comes takes no address from others. It
// is longer than it takes to start proxyd again, and to find out that it fails.
const DefaultSettle = 10 * time.Second

// Config says what to announce, and where.
type Config struct {
	// Client reaches etcd. The caller closes it, after Run has returned.
	Client *clientv3.Client
	Layout codec.Layout
	// Node is the name of this node, as endpoints have it.
	Node string
	// Feed brings the registry. A node takes part once it has something.
	Feed *Feed
	// Ready, if not nil, says whether the node's rules stand for the first
	// time; until then it takes no part.
	Ready func() bool
	// Interfaces are names, or patterns such as "eth*", of the interfaces on
	// which every address is announced. None means that an address is
	// announced where it is in the subnet of an interface.
	Interfaces []string
	// TTL is how long the node's lease lasts when it isn't renewed, in whole
	// seconds; zero means DefaultTTL. etcd may grant more.
	TTL time.Duration
	// Settle is how long a node that comes, or comes back, takes no address
	// from a node that can announce it. What nobody else can it takes at once.
	Settle time.Duration
	// Logger is told what is announced; nil means slog.Default.
	Logger *slog.Logger
	// Registerer, if not nil, gets metrics named proxyd_announce_….
	Registerer prometheus.Registerer
	// Events, if not nil, are told what is announced, where, and what isn't.
	Events Events
}

// Validate returns an error that names the setting that is wrong.
func (c *Config) Validate() error {
	switch {
	case c.Client == nil:
		return errors.New("announce: Client is missing")
	case c.Layout == (codec.Layout{}):
		return errors.New("announce: Layout is missing")
	case c.Node == "":
		return errors.New("announce: Node is missing")
	case c.Feed == nil:
		return errors.New("announce: Feed is missing")
	case c.TTL != 0 && (c.TTL < DefaultTTL || c.TTL%time.Second != 0):
		return fmt.Errorf("announce-ttl: %v: want whole seconds, at least %v", c.TTL, DefaultTTL)
	}
	if c.Settle < 0 {
		return fmt.Errorf("announce-settle: %v: want no less than nothing", c.Settle)
	}
	for _, pattern := range c.Interfaces {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("announce-interfaces: %q: want the name of an interface, or a pattern such as \"eth*\"", pattern)
		}
	}
	return nil
}

// Run announces until ctx ends, and returns nil then: its addresses are free
// for other nodes at once. What goes wrong is tried again.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.TTL = cmp.Or(c.TTL, DefaultTTL)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Logger = c.Logger.With("controller", "announce")
	return newAgent(&c, openPort, listLinks, watchLinks).run(ctx)
}
