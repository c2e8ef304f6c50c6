// Package external looks after the endpoints that nobody else does: those that
// stand outside and were written down by hand.
//
// Endpoints given by a DNS name are resolved and kept up to date. Endpoints of
// a service with the annotation svcreg.io/health-check are checked. The result
// is an EndpointSlice of svcreg's own beside the user's Endpoints, which stay
// as they are: a service's endpoints are its slices, if it has any. A service
// with neither gets no slice, and costs next to nothing.
// Where package endpoints makes the slices, of the pods that a service selects,
// they stay the only ones that hold endpoints: ours says which of them fail their
// checks, and package endpoints counts those as not ready.
//
// Addresses that no endpoint may have are refused, as are names that lead to
// such or back to the service. Which, and why, stands in the Service's status;
// see EndpointsAccepted.
//
// A service of type ExternalName that has ports is served like that, too. As
// soon as somebody stands behind its name it gets a portal IP, and is an alias
// no more; "None" as its portal IP keeps it one. In an apiserver's registry
// nothing of all this is done.
//
// One node does this at a time; see package leader. What it knows it writes
// into the slice, so that the next one goes on from there.
//
// Inside, one goroutine owns all state. Work that waits (a query, a check, a
// write) runs in others, each of which hands back a function for it to call.
package external

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

// ManagedBy is what the slices of this package have in the label
// endpointslice.kubernetes.io/managed-by.
const ManagedBy = "external.svcreg.io"

// The annotations of these slices.
const (
	// RemarksAnnotation is a JSON list of what people should know about the
	// service's endpoints: who was refused, who fails, and why.
	RemarksAnnotation = "svcreg.io/remarks"
	// NamesAnnotation is a JSON object: to each DNS name its last good answer.
	NamesAnnotation = "svcreg.io/names"
)

// The defaults of Config.
const (
	DefaultMinTTL    = 5 * time.Second
	DefaultMaxTTL    = 5 * time.Minute
	DefaultMaxChecks = 2000
)

// Config says where the registry is, and how its endpoints are looked after.
type Config struct {
	// Client reaches etcd. The caller closes it, after Run has returned.
	Client *clientv3.Client
	Layout codec.Layout
	// Node is the name of this node.
	Node string
	// Logger gets what an operator must know; nil means slog.Default.
	Logger *slog.Logger
	// Registerer gets the metrics; nil means none.
	Registerer prometheus.Registerer
	// Events, if not nil, are told what happens to services.
	Events Events

	// Resolver is the address and port of the name server to ask, such as
	// 192.0.2.53:53; empty means those of /etc/resolv.conf.
	Resolver string
	// MinTTL and MaxTTL bound for how long an answer is used before it is asked
	// for again; zero means DefaultMinTTL and DefaultMaxTTL.
	MinTTL, MaxTTL time.Duration
	// PanicShare is the share of a service's endpoints, from 0 to 1, that must
	// pass their checks; if fewer do, the checks rather than the endpoints are
	// taken to be at fault, and all stay in. Zero means that one must.
	PanicShare float64
	// MaxChecks bounds how many checks are under way at once; zero means
	// DefaultMaxChecks.
	MaxChecks int
	// Zones are the DNS zones in which the registry's services have names,
	// beside those where they are <service>.<namespace>.svc.<zone>.
	Zones []string
	// LeaderTTL is the TTL of the lease of the leader; zero means
	// leader.DefaultTTL.
	LeaderTTL time.Duration
}

// Validate returns an error that names the setting that is wrong.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Client == nil:
		return errors.New("external: Client is missing")
	case c.Layout == (codec.Layout{}):
		return errors.New("external: Layout is missing")
	case c.Node == "":
		return errors.New("external: Node is missing")
	case c.MinTTL < 0 || c.MaxTTL < c.MinTTL:
		return fmt.Errorf("external: TTL from %v to %v: want at least 0, and at most the other", c.MinTTL, c.MaxTTL)
	case c.PanicShare < 0 || c.PanicShare > 1:
		return fmt.Errorf("external: panic share %v: want 0 to 1", c.PanicShare)
	case c.MaxChecks < 0:
		return fmt.Errorf("external: checks at once %d: want at least 1", c.MaxChecks)
	}
	if c.Resolver != "" {
		if _, err := netip.ParseAddrPort(c.Resolver); err != nil {
			return fmt.Errorf("external: resolver %q: want an address and a port such as 192.0.2.53:53", c.Resolver)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.MinTTL = cmp.Or(c.MinTTL, DefaultMinTTL)
	c.MaxTTL = cmp.Or(c.MaxTTL, max(DefaultMaxTTL, c.MinTTL))
	c.MaxChecks = cmp.Or(c.MaxChecks, DefaultMaxChecks)
	return c
}
