// Package proxyd is the companion daemon of every node: it follows the
// registry in etcd and keeps the kernel in step with it, so that the portal
// IPs and public addresses of services lead to their endpoints.
//
// Run is made of a few tasks: the watcher turns etcd into snapshots, the inbox
// collects what they change, the sync loop takes it out, compiles it (package
// rules) and carries it out (package iptables or nftables). Health, metrics and
// systemd are told how that goes. Beside that stand the API (packages apilisten,
// apiproxy, apiserver and apiview) and the controllers.
package proxyd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/proxyd/announce"
	"github.com/svcreg/svcreg/proxyd/events"
	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/watch"
)

// Run programs the node until ctx ends, and returns nil then. The rules stay
// in the kernel: connections go on, and the next Run takes over from there.
// Cleanup removes them. An error means that proxyd can't begin, or not go on;
// what goes wrong with etcd or the kernel is tried again instead.
func Run(ctx context.Context, c Config) error {
	p, err := newProgram(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(p.run(ctx), p.close())
}

// kinds are what the data plane is made from. Pods, the most numerous, are
// not among them: endpoints say all that it needs.
var kinds = []registry.Kind{
	registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindServiceCIDR,
	registry.KindNode, // of which only this one
}

// program is a proxyd that is ready to run.
type program struct {
	logger  *slog.Logger
	told    *teller
	client  *clientv3.Client
	watcher *watch.Watcher
	addrs   *addrWatch
	pools   *poolWatch
	loop    *loop
	servers []*server
	api     *api // nil where there is none
	// controllers are the tasks that tend to the registry, and feed tells
	// whoever announces addresses what the rules are made from; nil for nobody.
	controllers []task
	feed        *announce.Feed
	events      *events.Recorder // of what controllers have to tell; nil without any
}

// newProgram opens everything that can fail. It programs nothing yet.
func newProgram(ctx context.Context, c Config) (_ *program, err error) {
	p := &program{logger: c.logger(), told: newTeller(c.logger())}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if err = c.Validate(); err != nil {
		return p, err
	}
	if off := node.NotForwarding(); len(off) > 0 && c.ProxyMode != None {
		p.logger.Warn("this node does not forward packets: services work from the node itself, not through it", "sysctls_off", off)
	}
	inbox, metrics := newInbox(), newMetrics()
	h := &health{inbox: inbox, told: p.told, lateness: min(2*c.FullSyncPeriod, maxLateness)}
	if p.addrs, err = newAddrWatch(inbox, p.logger); err != nil {
		return p, err
	}
	if p.loop, err = newLoop(&c, inbox, metrics, p.told, h.healthy); err != nil {
		return p, err
	}
	metrics.holds(p.loop.kernel)
	latency, name := p.loop.latency, p.loop.policy.NodeName
	if slices.Contains(c.Controllers.Names, "loadbalancer") && c.ProxyMode != None {
		p.feed = &announce.Feed{}
	}
	notify := func(s *registry.Snapshot, changes *registry.Changes) {
		latency.notify(s)
		inbox.put(s, changes)
		if p.feed != nil {
			p.feed.Put(s, changes)
		}
	}
	if p.client, p.watcher, err = follow(&c, watch.Config{SnapshotFile: c.Snapshot, Notify: notify, Applied: latency.applied}); err != nil {
		return p, err
	}
	p.pools = newPoolWatch(&c, p.client, inbox)
	p.loop.policy.awaitsPools = true
	h.registry = func() registryHealth { return healthOf(p.watcher, name) }
	metrics.watch(inbox, p.watcher.Status)
	if err = p.listen(ctx, &c, h, metrics); err != nil {
		return p, err
	}
	if p.controllers, err = p.newControllers(&c, metrics); err != nil {
		return p, err
	}
	return p, p.openAPI(ctx, &c, metrics)
}

// healthOf returns what a watcher knows of the registry and of a node in it.
func healthOf(w *watch.Watcher, node string) registryHealth {
	status, leaving := w.Status(), false
	if s := w.Snapshot(); s != nil {
		n := s.Node(node)
		leaving = n != nil && n.Leaving
	}
	return registryHealth{status.Synced, status.FromDisk, status.Revision, leaving}
}

// listen opens the listeners for health and metrics.
func (p *program) listen(ctx context.Context, c *Config, h *health, m *metrics) error {
	for _, s := range []struct {
		setting, address string
		handler          handler
	}{
		{"healthz-listen", c.HealthzListen, h},
		{"metrics-listen", c.MetricsListen, exact("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))},
	} {
		server, err := listen(ctx, s.setting, s.address, s.handler)
		if err != nil {
			return err
		}
		if server != nil {
			p.servers = append(p.servers, server)
		}
	}
	return nil
}

// run runs the tasks: the servers around the others, so that they answer to
// the end, and with them the events, so that the last ones are told.
func (p *program) run(ctx context.Context) error {
	p.told.status("waiting for the registry")
	around, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	servers, around := errgroup.WithContext(around)
	for _, s := range p.servers {
		servers.Go(func() error { return s.run(around) })
	}
	if p.api != nil {
		servers.Go(func() error { return p.api.server.Run(around) })
	}
	if p.events != nil {
		servers.Go(func() error { return p.events.Run(around) })
	}
	tasks, inner := errgroup.WithContext(ctx)
	// A server that fails ends the tasks too; when they have ended, so do
	// the servers.
	tasks.Go(func() error {
		select {
		case <-inner.Done():
			p.told.stopping()
			return nil
		case <-around.Done():
			return errServer
		}
	})
	tasks.Go(func() error { return p.watcher.Run(inner) })
	tasks.Go(func() error { return p.addrs.run(inner) })
	tasks.Go(func() error { return p.pools.run(inner) })
	tasks.Go(func() error { return p.loop.run(inner) })
	if p.api != nil {
		tasks.Go(func() error { return p.api.view.Run(inner) })
	}
	for _, c := range p.controllers {
		tasks.Go(func() error { return c(inner) })
	}
	err := tasks.Wait()
	stop()
	if errors.Is(err, errServer) {
		err = nil
	}
	return errors.Join(servers.Wait(), err)
}

// errServer stands in for the error of a server, which its own group returns.
var errServer = errors.New("a server failed")

// close closes what newProgram opened and nobody else closes.
func (p *program) close() error {
	for _, s := range p.servers {
		s.close() // again, if it ran; that does no harm
	}
	if p.api != nil {
		p.api.server.Close()
	}
	if p.client == nil {
		return nil
	}
	if err := p.client.Close(); err != nil {
		return fmt.Errorf("close the connection to etcd: %w", err)
	}
	return nil
}
