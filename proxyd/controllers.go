package proxyd

import (
	"context"
	"errors"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/announce"
	podendpoints "github.com/svcreg/svcreg/proxyd/endpoints"
	"github.com/svcreg/svcreg/proxyd/events"
	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/proxyd/leader"
	"github.com/svcreg/svcreg/proxyd/loadbalancer"
	"github.com/svcreg/svcreg/registry/codec"
)

// Controllers is which controllers a node runs, and what they are told. What
// all of them need, such as the client of etcd, is filled in when they are made.
type Controllers struct {
	// Names are external, endpoints or loadbalancer. Several nodes may run one;
	// one of them at a time does its work, the others stand by.
	Names []string
	// LeaderTTL is how long after the sudden death of the node that does the
	// work another takes over.
	LeaderTTL time.Duration

	External     external.Config
	Endpoints    podendpoints.Config
	LoadBalancer loadbalancer.Config
	// Announce is for the nodes that run the controller loadbalancer: each of
	// them announces addresses, if it has rules.
	Announce announce.Config
}

func defaultControllers() Controllers {
	return Controllers{
		Names:     []string{"external"},
		LeaderTTL: leader.DefaultTTL,
		External: external.Config{
			MinTTL: external.DefaultMinTTL, MaxTTL: external.DefaultMaxTTL, MaxChecks: external.DefaultMaxChecks,
		},
		Endpoints:    podendpoints.Config{SliceSize: podendpoints.DefaultSliceSize},
		LoadBalancer: loadbalancer.Config{Grace: loadbalancer.DefaultGrace, HookTimeout: loadbalancer.DefaultHookTimeout},
		Announce:     announce.Config{TTL: announce.DefaultTTL, Settle: announce.DefaultSettle},
	}
}

// task is something that runs until its context ends.
type task func(context.Context) error

// parts are what each controller is made with.
type parts struct {
	*Config
	client  *clientv3.Client
	layout  codec.Layout
	node    string
	feed    *announce.Feed // of what the rules are made from
	ready   func() bool    // whether all rules stand
	metrics *metrics
	events  *events.Recorder
}

// controllerNames are those that there are.
var controllerNames = []string{"external", "endpoints", "loadbalancer"}

// tasks returns what a controller is made of.
func (p *parts) tasks(controller string) ([]task, error) {
	logger, registerer := p.logger(), p.metrics.registry
	switch controller {
	case "external":
		c := p.Controllers.External
		c.Client, c.Layout, c.Node, c.Logger, c.Registerer = p.client, p.layout, p.node, logger, registerer
		c.LeaderTTL, c.Events = p.Controllers.LeaderTTL, p.events.Source(controller)
		return []task{func(ctx context.Context) error { return external.Run(ctx, c) }}, c.Validate()
	case "endpoints":
		c := p.Controllers.Endpoints
		c.Client, c.Layout, c.Node, c.Logger, c.Registerer = p.client, p.layout, p.node, logger, registerer
		c.TTL, c.Unchecked = p.Controllers.LeaderTTL, !slices.Contains(p.Controllers.Names, "external")
		c.Events = p.events.Source(controller)
		return []task{func(ctx context.Context) error { return podendpoints.Run(ctx, c) }}, c.Validate()
	}
	return p.balancing()
}

// balancing returns what the controller loadbalancer is made of: who gives
// addresses away, and who announces them. A node without rules attracts no
// connections.
func (p *parts) balancing() ([]task, error) {
	b, a := p.Controllers.LoadBalancer, p.Controllers.Announce
	b.Client, b.Layout, b.Node, b.Logger, b.Registerer = p.client, p.layout, p.node, p.logger(), p.metrics.registry
	b.LeaderTTL, b.Events = p.Controllers.LeaderTTL, p.events.Source("loadbalancer")
	if b.Grace == 0 {
		b.Grace = -1 // as it says there
	}
	tasks := []task{func(ctx context.Context) error { return loadbalancer.Run(ctx, b) }}
	if p.ProxyMode == None {
		p.logger().Warn("this node announces no addresses, as --proxy-mode=none has no rules for them")
		return tasks, b.Validate()
	}
	a.Client, a.Layout, a.Node, a.Logger, a.Registerer = b.Client, b.Layout, b.Node, b.Logger, b.Registerer
	a.Feed, a.Ready, a.Events = p.feed, p.ready, p.events.Source("announce")
	return append(tasks, func(ctx context.Context) error { return announce.Run(ctx, a) }), errors.Join(b.Validate(), a.Validate())
}

// newControllers returns the tasks of the controllers that are configured.
func (p *program) newControllers(c *Config, m *metrics) ([]task, error) {
	layout, err := codec.NewLayout(c.RegistryPrefix)
	if err != nil {
		return nil, settingError("registry-prefix", err)
	}
	node := p.loop.policy.NodeName
	if len(c.Controllers.Names) > 0 {
		p.events, err = events.New(events.Config{Client: p.client, Layout: layout, Node: node, Logger: p.logger, Registerer: m.registry})
		if err != nil {
			return nil, err
		}
	}
	with := &parts{c, p.client, layout, node, p.feed, p.told.ready.Load, m, p.events}
	var all []task
	for _, name := range c.Controllers.Names {
		tasks, err := with.tasks(name)
		if err != nil {
			return nil, settingError("controllers", err)
		}
		all = append(all, tasks...)
	}
	return all, nil
}
