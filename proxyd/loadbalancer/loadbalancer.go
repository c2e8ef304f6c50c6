// Package loadbalancer gives addresses to services that want a load balancer
// (createExternalLoadBalancer: true, type: LoadBalancer) where there is no
// cloud to do it. The addresses are from pools; see package pool for these, and
// for who may have what.
//
// It runs on one node at a time. An address is given in one etcd transaction,
// which fails if anything changed that it was decided on: the claim, at a key
// of its own for each address, and the service itself, where the address goes
// to status.loadBalancer.ingress in v1 and to publicIPs in the versions before.
// Nothing else of the service is touched. So no two services ever get the same
// address, whoever writes what at the same time.
//
// # What a service can say
//
//	spec.loadBalancerIP: 203.0.113.7                      the address it wants
//	svcreg.io/load-balancer-ips: 203.0.113.7,2001:db8::7  the same, for both families; this one wins
//	svcreg.io/allow-shared-ip: KEY                        it may share an address with services that say the same
//	spec.loadBalancerClass: example.org/other             it is another's business, unless it is svcreg.io/pool
//
// Services share an address if both say the same key, have no port in common,
// and neither has externalTrafficPolicy: Local. A service with portal IPs of
// two families gets an address of each.
//
// A service keeps its address as long as a pool offers it to the service's
// namespace, whatever else changes; one that is deleted and comes back within
// the grace time gets its old address again. What it wants and doesn't get is
// logged, and stands with the reason at svcreg/status/loadbalancer/NS/NAME; see
// Note.
//
// # The hook
//
// With Config.Hook an executable is told of each service, for other providers
// of addresses or of what leads to them. It is called as
//
//	HOOK add     when a service wants a load balancer, and with each change of it
//	HOOK remove  when it no longer does, or is gone
//
// with the service on standard input, as JSON in v1 whatever it was written in,
// and with nothing in its environment but PATH, SVCREG_NAMESPACE and
// SVCREG_NAME. What add prints are addresses, with white space between them,
// that the service gets in place of any from a pool: the same ones each time,
// for the hook may be called again for what it has done already. If it prints
// nothing a pool gives the address, and add is called with it. Calls for one
// service never overlap. One that fails, or takes longer than
// Config.HookTimeout, is made again, after pauses that grow. A service that the
// hook was told of is remembered in etcd until it was removed from the hook, too.
package loadbalancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/leader"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

const (
	// AddressAnnotation names the addresses that a service wants, with commas
	// between them.
	AddressAnnotation = "svcreg.io/load-balancer-ips"
	// ShareAnnotation lets services that say the same share an address.
	ShareAnnotation = "svcreg.io/allow-shared-ip"
	// Class is the loadBalancerClass of services that are svcreg's business.
	// Those without a class are, too.
	Class = "svcreg.io/pool"
)

// The defaults of a Config.
const (
	DefaultGrace       = 10 * time.Minute
	DefaultHookTimeout = 30 * time.Second
)

// Config says for which registry addresses are given away.
type Config struct {
	// Client reaches etcd. The caller closes it, after Run has returned.
	Client *clientv3.Client
	Layout codec.Layout
	// Node is the name of this node.
	Node string
	// LeaderTTL is how long after a sudden death another node takes over; zero
	// means leader.DefaultTTL.
	LeaderTTL time.Duration

	// Grace is how long an address is kept for a service that was deleted; zero
	// means DefaultGrace, a negative one not at all.
	Grace time.Duration
	// Hook is the absolute path of an executable that is told of services, see
	// the package; empty for none.
	Hook string
	// HookTimeout is how long one call of the hook may take; zero means
	// DefaultHookTimeout.
	HookTimeout time.Duration

	// Logger is told who gets what, and who doesn't; nil means slog.Default.
	Logger *slog.Logger
	// Registerer, if not nil, gets the metrics proxyd_loadbalancer_….
	Registerer prometheus.Registerer
	// Events, if not nil, are told who gets what, and who doesn't.
	Events Events
}

// Validate returns an error that names the field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Client == nil:
		return errors.New("loadbalancer: Client is missing")
	case c.Layout == (codec.Layout{}):
		return errors.New("loadbalancer: Layout is missing")
	case c.Node == "":
		return errors.New("loadbalancer: Node is missing")
	case c.Hook != "" && !filepath.IsAbs(c.Hook):
		return fmt.Errorf("loadbalancer: Hook %q: want an absolute path", c.Hook)
	case c.HookTimeout < 0:
		return fmt.Errorf("loadbalancer: HookTimeout %v: want more than nothing", c.HookTimeout)
	}
	return c.election().Validate()
}

func (c Config) election() leader.Config {
	return leader.Config{
		Client: c.Client, Key: leader.Key(c.Layout, "loadbalancer"), Node: c.Node, TTL: c.LeaderTTL,
		Logger: c.Logger, Registerer: c.Registerer,
	}
}

// foreignPause is how long a registry that belongs to an apiserver is left
// alone before it is looked at again.
const foreignPause = time.Minute

// Run gives addresses away, while this node leads, until ctx ends; it returns
// nil then. A registry that belongs to an apiserver is left alone.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	c.HookTimeout = cmp.Or(c.HookTimeout, DefaultHookTimeout)
	m := newMetrics()
	if c.Registerer != nil {
		if err := c.Registerer.Register(m); err != nil {
			return fmt.Errorf("loadbalancer: %w", err)
		}
		defer c.Registerer.Unregister(m)
	}
	writer := write.New(c.Client, c.Layout, write.Options{})
	said := false
	return leader.Run(ctx, c.election(), func(ctx context.Context) error {
		for {
			err := writer.Writable(ctx)
			if err == nil {
				err = lead(ctx, &c, writer, m)
			}
			if !write.IsForeign(err) {
				return err
			}
			if !said {
				c.Logger.Warn("load balancers get no addresses from here", "error", err)
				said = true
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(foreignPause):
			}
		}
	})
}
