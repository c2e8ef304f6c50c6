package proxyd

import (
	"net/http"
	"os"
	"runtime/debug"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/conntrack"
	"github.com/svcreg/svcreg/proxyd/iptables"
	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/watch"
)

// follow returns a watcher of the configured registry, and the client that it
// uses. It contacts nobody yet. What the watcher tells, and whether it keeps a
// file, is as given.
func follow(c *Config, as watch.Config) (*clientv3.Client, *watch.Watcher, error) {
	layout, err := codec.NewLayout(c.RegistryPrefix)
	if err != nil {
		return nil, nil, settingError("registry-prefix", err)
	}
	if err := c.readUser(); err != nil {
		return nil, nil, err
	}
	name, err := c.nodeName()
	if err != nil {
		return nil, nil, err
	}
	client, err := etcd.Connect(c.Etcd)
	if err != nil {
		return nil, nil, err
	}
	as.Client, as.Layout, as.Kinds, as.Node, as.Logger = client, layout, kinds, name, c.logger()
	as.Trim = func(o registry.Object) { rules.Trim(o, name, c.NodeZone) }
	watcher, err := watch.New(as)
	return client, watcher, err
}

// newLoop returns the sync loop with the kernel that the mode asks for.
func newLoop(c *Config, b *inbox, m *metrics, told *teller, healthy func() bool) (*loop, error) {
	beat, err := watchdogPeriod()
	if err != nil {
		return nil, err
	}
	policy, err := c.policy()
	if err != nil {
		return nil, err
	}
	l := &loop{
		min: c.MinSyncPeriod, full: c.FullSyncPeriod, beat: beat,
		inbox: b, policy: policy, metrics: m, told: told, logger: c.logger(),
		flows:   &staleFlows{took: func(start time.Time) { m.took("flows", start) }},
		checks:  newHealthChecks(c.NodePortAddrs, healthy, c.logger()),
		latency: newLatency(m.programming.Observe),
		memory:  memory{free: debug.FreeOSMemory},
	}
	if os.Getenv("GOGC") == "" { // nobody decided otherwise
		l.memory.target = debug.SetGCPercent
	}
	if c.ProxyMode != None {
		table := &conntrack.Table{}
		l.flows.deleteUDP, l.flows.close = table.DeleteUDP, table.Close
	}
	l.kernel, err = newKernel(c)
	l.sentry = newSentry(l.kernel)
	return l, err
}

// iptables returns what package iptables is told.
func (c *Config) iptables() iptables.Config {
	return iptables.Config{
		Mode: c.IPTablesBackend, ClusterCIDRs: c.ClusterCIDRs, MasqueradeAll: c.MasqueradeAll,
		NodePortAddrs: c.NodePortAddrs, Logger: c.logger(),
	}
}

// policy returns the policy before anything is known of the node.
func (c *Config) policy() (*policy, error) {
	name, err := c.nodeName()
	if err != nil {
		return nil, err
	}
	return &policy{
		Policy: rules.Policy{
			PublicRanges: c.PublicIPRanges, NodeName: name, Zone: c.NodeZone, NodePorts: true, NodePortAddrs: c.NodePortAddrs,
			ClusterCIDRs: c.ClusterCIDRs, MasqueradeAll: c.MasqueradeAll,
		},
		anyZone:   c.NodeZone == "",
		listening: func() (sockets, error) { return node.Listening() },
		logger:    c.logger(),
	}, nil
}

// handler is an http.Handler, for brevity.
type handler = http.Handler

// exact serves one path and no other.
func exact(path string, h handler) handler {
	mux := http.NewServeMux()
	mux.Handle(path, h)
	return mux
}

// watch adds what is known of the registry and of changes that wait.
func (m *metrics) watch(b *inbox, status func() watch.Status) {
	m.gauge("changes_pending", "Services with changes that the kernel lacks so far.", func() float64 {
		_, n := b.waiting()
		return float64(n)
	})
	m.gauge("registry_revision", "The etcd revision that the rules are made from.", func() float64 {
		return float64(status().Revision)
	})
	m.gauge("registry_synced", "Whether etcd is being followed; 0 while it is away.", func() float64 {
		if status().Synced {
			return 1
		}
		return 0
	})
	m.gauge("registry_undecodable", "Values in etcd that can not be decoded now.", func() float64 {
		return float64(status().Undecodable)
	})
	m.counter("registry_decode_failures_total", "Values from etcd that could not be decoded.", func() float64 {
		var n uint64
		for _, failures := range status().DecodeFailures {
			n += failures
		}
		return float64(n)
	})
}
