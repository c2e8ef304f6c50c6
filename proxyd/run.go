// Package proxyd is the companion daemon of every node: it follows the
// registry in etcd and keeps the kernel in step with it, so that the portal
// IPs and public addresses of services lead to their endpoints.
//
// Run is made of a few tasks: the watcher turns etcd into snapshots, the inbox
// collects what they change, the sync loop takes it out, compiles it (package
// rules) and carries it out (package iptables). Health, metrics and systemd
// are told how that goes.
package proxyd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/watch"
)

// Run programs the node until ctx ends, and returns nil then. The rules stay
// in the kernel: connections go on, and the next Run takes over from there.
// Cleanup removes them. An error means that proxyd can't begin, or not go on;
// what goes wrong with etcd or the kernel is tried again instead.
func Run(ctx context.Context, c Config) error {
	d, err := newDaemon(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(d.run(ctx), d.close())
}

// kinds are what the data plane is made from. Pods, the most numerous, are
// not among them: endpoints say all that it needs.
var kinds = []registry.Kind{
	registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindServiceCIDR,
}

// daemon is a proxyd that is ready to run.
type daemon struct {
	logger  *slog.Logger
	told    *teller
	client  *clientv3.Client
	watcher *watch.Watcher
	addrs   *addrWatch
	loop    *loop
	servers []*server
}

// newDaemon opens everything that can fail. It programs nothing yet.
func newDaemon(ctx context.Context, c Config) (_ *daemon, err error) {
	d := &daemon{logger: c.logger(), told: newTeller(c.logger())}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err = c.Validate(); err != nil {
		return d, err
	}
	inbox, metrics := newInbox(), newMetrics()
	if d.addrs, err = newAddrWatch(inbox, d.logger); err != nil {
		return d, err
	}
	if d.loop, err = newLoop(&c, inbox, metrics, d.told); err != nil {
		return d, err
	}
	if d.client, d.watcher, err = follow(&c, c.Snapshot, inbox.put); err != nil {
		return d, err
	}
	return d, d.listen(ctx, &c, inbox, metrics)
}

// listen opens the listeners for health and metrics.
func (d *daemon) listen(ctx context.Context, c *Config, b *inbox, m *metrics) error {
	h := &health{inbox: b, told: d.told, lateness: min(2*c.FullSyncPeriod, maxLateness), registry: func() registryHealth {
		s := d.watcher.Status()
		return registryHealth{s.Synced, s.FromDisk, s.Revision}
	}}
	m.watch(b, d.watcher.Status)
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
			d.servers = append(d.servers, server)
		}
	}
	return nil
}

// run runs the tasks: the servers around the others, so that they answer to
// the end.
func (d *daemon) run(ctx context.Context) error {
	if off := node.NotForwarding(); len(off) > 0 {
		d.logger.Warn("this node does not forward packets: services work from the node itself, not through it", "sysctls_off", off)
	}
	d.told.status("waiting for the registry")
	around, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	servers, around := errgroup.WithContext(around)
	for _, s := range d.servers {
		servers.Go(func() error { return s.run(around) })
	}
	tasks, inner := errgroup.WithContext(ctx)
	// A server that fails ends the tasks too; when they have ended, so do
	// the servers.
	tasks.Go(func() error {
		select {
		case <-inner.Done():
			d.told.stopping()
			return nil
		case <-around.Done():
			return errServer
		}
	})
	tasks.Go(func() error { return d.watcher.Run(inner) })
	tasks.Go(func() error { return d.addrs.run(inner) })
	tasks.Go(func() error { return d.loop.run(inner) })
	err := tasks.Wait()
	stop()
	if errors.Is(err, errServer) {
		err = nil
	}
	return errors.Join(servers.Wait(), err)
}

// errServer stands in for the error of a server, which its own group returns.
var errServer = errors.New("a server failed")

// close closes what newDaemon opened and nobody else closes.
func (d *daemon) close() error {
	for _, s := range d.servers {
		_ = s.Close() // closed already, once it ran
	}
	if d.client == nil {
		return nil
	}
	if err := d.client.Close(); err != nil {
		return fmt.Errorf("close the connection to etcd: %w", err)
	}
	return nil
}
