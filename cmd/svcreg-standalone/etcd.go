package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// startTimeout bounds how long etcd may take to elect itself.
const startTimeout = 30 * time.Second

// store is the embedded etcd.
type store struct {
	server *embed.Etcd
	client *clientv3.Client // needs no network
}

// startEtcd starts an etcd of one member with its data below cfg.dataDir, and
// waits until it serves.
func startEtcd(ctx context.Context, cfg *config) (*store, error) {
	clients, err := parseURLs(cfg.etcdListen)
	if err != nil {
		return nil, err
	}
	etcd := embed.NewConfig()
	etcd.Name = "standalone"
	etcd.Dir = filepath.Join(cfg.dataDir, "etcd")
	etcd.LogLevel = "fatal" // errors come through Err; the rest is how it stops
	etcd.ListenClientUrls, etcd.AdvertiseClientUrls = clients, clients
	etcd.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: filepath.Join(cfg.dataDir, "peer.sock")}}
	etcd.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	etcd.InitialCluster = etcd.InitialClusterFromName(etcd.Name)
	etcd.AutoCompactionMode, etcd.AutoCompactionRetention = "periodic", "1h"

	server, err := embed.StartEtcd(etcd)
	if err != nil {
		return nil, fmt.Errorf("start etcd on %v: %w", cfg.etcdListen, err)
	}
	select {
	case <-server.Server.ReadyNotify():
		return &store{server, v3client.New(server.Server)}, nil
	case err := <-server.Err():
		server.Close()
		return nil, fmt.Errorf("etcd: %w", err)
	case <-time.After(startTimeout):
		server.Close()
		return nil, fmt.Errorf("etcd did not start within %v", startTimeout)
	case <-ctx.Done():
		server.Close()
		return nil, ctx.Err()
	}
}

// parseURLs reads the value of --etcd-listen.
func parseURLs(texts []string) ([]url.URL, error) {
	var urls []url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" || u.Port() == "" {
			return nil, fmt.Errorf("%w: --etcd-listen: %q: want a URL such as http://127.0.0.1:2379", errUsage, text)
		}
		urls = append(urls, *u)
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("%w: --etcd-listen: want at least one URL", errUsage)
	}
	return urls, nil
}

// wait returns when ctx ends, or with the error that ended etcd.
func (s *store) wait(ctx context.Context) error {
	select {
	case err := <-s.server.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		return nil
	}
}

func (s *store) close() {
	_ = s.client.Close()
	s.server.Close()
}

// fill makes a registry of an etcd that has none, and writes the examples
// where they are wanted.
func (s *store) fill(ctx context.Context, cfg *config) error {
	layout, err := codec.NewLayout(codec.DefaultPrefix)
	if err != nil {
		return err
	}
	networks, err := cfg.networks()
	if err != nil {
		return err
	}
	writer := write.New(s.client, layout, write.Options{})
	if err := writer.Init(ctx, networks...); err != nil {
		return err
	}
	if cfg.examples || cfg.network == private {
		return applyExamples(ctx, writer)
	}
	return nil
}
