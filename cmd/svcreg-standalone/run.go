package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/proxyd"
)

// run does what the command line says.
func run(ctx context.Context, cfg *config, flags *pflag.FlagSet) error {
	if err := cfg.settle(flags); err != nil {
		return err
	}
	if _, err := cfg.networks(); err != nil {
		return err
	}
	remove, err := cfg.prepareDataDir()
	if err != nil {
		return err
	}
	defer remove()
	if cfg.network == private {
		return runPrivate(ctx, cfg)
	}
	return serve(ctx, cfg, func(context.Context) error {
		fmt.Printf("svcreg is up: etcd at %s, DNS at %s, --proxy-mode=%s. Ctrl-C ends it.\n",
			cfg.etcdListen[0], cfg.dnsListen[0], cfg.proxy.ProxyMode)
		fmt.Printf("Try: dig @%s\n", digArguments(cfg))
		return nil
	})
}

// digArguments returns what follows the @ of a first query with dig.
func digArguments(cfg *config) string {
	addr, port, err := splitListen(cfg.dnsListen[0])
	if err != nil {
		return cfg.dnsListen[0]
	}
	return fmt.Sprintf("%s -p %s my-service.my-ns.svc.%s", addr, port, cfg.zone)
}

// prepareDataDir makes the data folder. The returned function removes it if it
// was only temporary.
func (c *config) prepareDataDir() (remove func(), err error) {
	if c.dataDir != "" {
		if err := os.MkdirAll(c.dataDir, 0o700); err != nil {
			return nil, fmt.Errorf("--data-dir: %w", err)
		}
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "svcreg-")
	if err != nil {
		return nil, fmt.Errorf("temporary data folder: %w", err)
	}
	c.dataDir = dir
	return func() { _ = os.RemoveAll(dir) }, nil
}

// serve runs etcd, DNS and proxyd until ctx ends or one of them fails. Once all
// are up it calls ready, whose error ends them too.
func serve(ctx context.Context, cfg *config, ready func(context.Context) error) error {
	store, err := startEtcd(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.close()
	if err := store.fill(ctx, cfg); err != nil {
		return err
	}
	dns, err := startDNS(cfg)
	if err != nil {
		return err
	}
	defer dns.stop()

	cfg.proxy.Etcd.Endpoints = cfg.etcdListen[:1]
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return store.wait(ctx) })
	group.Go(func() error { return proxyd.Run(ctx, cfg.proxy) })
	group.Go(func() error { return ready(ctx) })
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
