// Package endpoints gives services that have a selector their endpoints: the
// pods of the service's namespace that have all labels of the selector.
//
// # What it writes
//
// EndpointSlices of at most a hundred endpoints each, which is what every
// reader of svcreg and of today's Kubernetes looks at first. A service of
// thousands of pods is spread over many of them, so that one pod's change is
// one small write, and they alone can say that an endpoint is terminating and
// in which zone it is. A selected service always has a slice, if need be an
// empty one: readers take a service without any for one with Endpoints of the
// old kind.
//
// Beside them, for readers that know nothing else, an Endpoints object of the
// service's first address family, as the API of 2015 had it: cut at a thousand
// addresses, as upstream's is. An Endpoints object that somebody wrote by hand
// is not touched, where upstream overwrites it: the slices count before it.
//
// The slices have the label endpointslice.kubernetes.io/managed-by, the
// Endpoints objects the annotation svcreg.io/managed-by; both say
// "endpoints.svcreg.io". What has neither belongs to others. What has it goes
// when its service goes, or has no selector any more.
//
// Where a service's annotations have its endpoints checked, package external
// does that, and tells which ones fail in an annotation of a slice of its own,
// which is empty otherwise. Those stay in the slices and are not ready, though
// they are serving if their pods say so: that is how external knows who would be
// ready but for its checks.
//
// # How
//
// What decides, choose and planFor, is pure. The controller around it runs on
// the one node that leads, follows the registry, and works on the services that
// a change concerns: an index by labels says which those are, so that a change
// costs the same however large the registry. All objects of a service are
// written in one transaction, under the condition that they are as they were
// seen.
package endpoints

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/proxyd/leader"
	"github.com/svcreg/svcreg/registry/codec"
)

const (
	// Name is what --controllers calls this controller.
	Name = "endpoints"
	// Manager is who the objects that it writes belong to.
	Manager = external.SelectedBy
)

const (
	// DefaultSliceSize is how many endpoints stand in one EndpointSlice.
	DefaultSliceSize = 100
	// DefaultSettle is how long changes are collected before they are worked
	// on.
	DefaultSettle = 20 * time.Millisecond
	// maxSliceSize is what the API allows.
	maxSliceSize = 1000
)

// Config says which registry the controller looks after, and how.
type Config struct {
	// Client reaches etcd. The caller closes it, after Run has returned.
	Client *clientv3.Client
	// Layout is where the registry is.
	Layout codec.Layout
	// Node is the name of this node, of which the leader's key speaks.
	Node string
	// Logger is told what an operator must know; nil means slog.Default.
	Logger *slog.Logger
	// Registerer gets the metrics, unless it is nil.
	Registerer prometheus.Registerer
	// Events, if not nil, are told what is odd about a service.
	Events Events

	// TTL is how long after a leader's sudden death another node takes over;
	// zero means leader.DefaultTTL.
	TTL time.Duration
	// SliceSize is how many endpoints an EndpointSlice may have; zero means
	// DefaultSliceSize.
	SliceSize int
	// SlicesOnly leaves out the Endpoints objects, for registries in which
	// nobody reads them.
	SlicesOnly bool
	// Unchecked says that the controller external, which checks endpoints, is
	// off here. Where it is everywhere, services that want checks get none.
	Unchecked bool
	// Settle is how long changes are collected; zero means DefaultSettle.
	Settle time.Duration
}

// Validate returns an error that names the field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Client == nil:
		return errors.New("endpoints: Client is missing")
	case c.Layout == codec.Layout{}:
		return errors.New("endpoints: Layout is missing")
	case c.Node == "":
		return errors.New("endpoints: Node is missing")
	case c.SliceSize < 0 || c.SliceSize > maxSliceSize:
		return fmt.Errorf("endpoints: SliceSize %d: want 1 to %d, or 0 for %d", c.SliceSize, maxSliceSize, DefaultSliceSize)
	case c.Settle < 0:
		return fmt.Errorf("endpoints: Settle %v: want a duration that is not negative", c.Settle)
	}
	return c.leader().Validate()
}

func (c Config) leader() leader.Config {
	return leader.Config{
		Client: c.Client, Key: leader.Key(c.Layout, Name), Node: c.Node, TTL: c.TTL,
		Logger: c.Logger, Registerer: c.Registerer,
	}
}

// Run looks after the registry's endpoints whenever this node leads, until ctx
// ends; it returns nil then. It fails only where the configuration is wrong.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.SliceSize = cmp.Or(c.SliceSize, DefaultSliceSize)
	c.Settle = cmp.Or(c.Settle, DefaultSettle)
	c.Logger = c.Logger.With("controller", Name)
	metrics := newMetrics()
	if c.Registerer != nil {
		if err := c.Registerer.Register(metrics); err != nil {
			return fmt.Errorf("endpoints: %w", err)
		}
		defer c.Registerer.Unregister(metrics)
	}
	return leader.Run(ctx, c.leader(), func(ctx context.Context) error { return lead(ctx, &c, metrics) })
}
