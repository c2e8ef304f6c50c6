// Package leader has a function run on one node at a time.
//
// Whoever leads holds a key in etcd by a lease; its value is the node's name.
// The others hold nothing, and watch the key. The leader's context ends well
// before the lease can have ended in etcd, whatever becomes of the connection:
// time is counted from when the last keepalive that succeeded was sent, since
// etcd can't have renewed the lease before that, by the monotonic clock. So a
// function that returns when its context ends is never run twice at once.
//
// That holds as long as the clocks of the node and of etcd's leader run at
// nearly the same speed, and the process isn't stopped in between (SIGSTOP, a
// suspended machine): whoever writes should make it conditional on what it has
// read, as package write does.
package leader

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
	"github.com/svcreg/svcreg/registry/pause"
)

// DefaultTTL is how long after a leader's sudden death another one takes over.
const DefaultTTL = 10 * time.Second

// LeastTTL is the shortest TTL that leaves time to renew a lease. etcd with its
// default settings grants none below two seconds.
const LeastTTL = 2 * time.Second

// Config says who wants to lead, and what.
type Config struct {
	// Client reaches etcd. The caller closes it, after Run has returned.
	Client *clientv3.Client
	// Key is what the leader holds; see Key.
	Key string
	// Node is the name of this node, which the key has as its value.
	Node string
	// TTL is how long the lease lasts when nobody renews it, in whole seconds;
	// zero means DefaultTTL.
	TTL time.Duration
	// Logger is told who leads since when; nil means slog.Default.
	Logger *slog.Logger
	// Registerer, if not nil, gets the gauge proxyd_controller_leads.
	Registerer prometheus.Registerer
}

// Validate returns an error that names the field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Client == nil:
		return errors.New("leader: Client is missing")
	case c.Key == "":
		return errors.New("leader: Key is missing")
	case c.Node == "":
		return errors.New("leader: Node is missing")
	case c.TTL != 0 && (c.TTL < LeastTTL || c.TTL%time.Second != 0):
		return fmt.Errorf("leader: TTL %v: want whole seconds, at least %v", c.TTL, LeastTTL)
	}
	return nil
}

// Key returns the key that the leader of a controller holds in a registry.
func Key(layout codec.Layout, controller string) string {
	return layout.Prefix() + "/svcreg/leaders/" + controller
}

// Holder returns the name of the node that leads at this moment, and the empty
// string if none does.
func Holder(ctx context.Context, client *clientv3.Client, key string) (string, error) {
	response, err := client.Get(ctx, key)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	if len(response.Kvs) == 0 {
		return "", nil
	}
	return string(response.Kvs[0].Value), nil
}

// Run calls f on this node while it leads, and again each time it leads anew,
// until ctx ends; it returns nil then. An f that returns, with an error or
// without, gives the lead up, so that another node may take over at once. Run
// retries whatever fails, after pauses that grow.
func Run(ctx context.Context, c Config, f func(context.Context) error) error {
	if err := c.Validate(); err != nil {
		return err
	}
	n := newCandidate(c)
	if c.Registerer != nil {
		if err := c.Registerer.Register(n.leads); err != nil {
			return fmt.Errorf("leader: %w", err)
		}
		defer c.Registerer.Unregister(n.leads)
	}
	p, said := pause.Growing{Least: leastPause, Most: mostPause}, ""
	for ctx.Err() == nil {
		start := time.Now()
		won, err := n.round(ctx, f)
		if ctx.Err() != nil {
			break
		}
		if text := fmt.Sprint(err); err != nil && text != said {
			said = text
			n.logger.Warn("this node doesn't lead, and tries again", "error", err)
		}
		if time.Since(start) > p.Most {
			p.Reset()
			said = ""
		}
		if won || err != nil {
			p.Sleep(ctx)
		}
	}
	return nil
}

// newCandidate returns a candidate with the defaults filled in.
func newCandidate(c Config) *candidate {
	c.TTL = cmp.Or(c.TTL, DefaultTTL)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	controller := path.Base(c.Key)
	return &candidate{
		client: c.Client, key: c.Key, node: c.Node, ttl: c.TTL,
		logger: c.Logger.With("controller", controller),
		leads: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "proxyd", Name: "controller_leads",
			Help:        "Whether this node is the one that runs a controller.",
			ConstLabels: prometheus.Labels{"controller": controller},
		}),
	}
}
