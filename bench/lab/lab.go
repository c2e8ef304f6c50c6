// Package lab has all that the servers of one measure need, on loopback and in
// a directory that goes away: an etcd, the stand-in for an apiserver, and the
// fleet in both.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/svcreg/svcreg/bench/apiserver"
	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/store"
)

// Config says what a lab is made of.
type Config struct {
	Fleet   fleet.Fleet
	CoreDNS string // the program of all servers
	Etcd    string // etcd's program
	// JSON says that etcd's values are JSON rather than protobuf.
	JSON bool
	// Pods says that there are pods, and that servers verify them.
	Pods bool
}

// Lab is a running etcd and a running stand-in, filled with a fleet.
type Lab struct {
	Config
	// Etcd is a process, too, for what it uses.
	Etcd *store.Store

	dir     string
	sources peers.Sources
	api     *apiserver.Server
	web     *http.Server
}

// Open starts a lab. The caller closes it, also if there is an error.
func Open(ctx context.Context, c Config) (*Lab, error) {
	l := &Lab{Config: c, api: apiserver.New()}
	l.sources.Pods = c.Pods
	dir, err := os.MkdirTemp("", "svcreg-bench-")
	if err != nil {
		return l, err
	}
	l.dir = dir
	for _, step := range []func(context.Context) error{l.startEtcd, l.startAPI, l.fillEtcd, l.fillAPI, l.writeFiles} {
		if err := step(ctx); err != nil {
			return l, fmt.Errorf("lab: %w", err)
		}
	}
	return l, nil
}

// Close stops what runs and removes all files.
func (l *Lab) Close() error {
	var errs []error
	if l.web != nil {
		errs = append(errs, l.web.Close())
	}
	if l.Etcd != nil {
		errs = append(errs, l.Etcd.Close())
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// Path returns the path of a file in the lab's directory.
func (l *Lab) Path(name string) string { return filepath.Join(l.dir, name) }

func (l *Lab) startAPI(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.web = &http.Server{Handler: l.api, ReadHeaderTimeout: time.Minute}
	go func() { _ = l.web.Serve(listener) }() // until Close
	l.sources.APIServerURL = "http://" + listener.Addr().String()
	return nil
}

func (l *Lab) fillAPI(context.Context) error {
	for _, o := range kube.Objects(l.Fleet, l.Pods) {
		if err := l.api.Put(o); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) writeFiles(context.Context) error {
	l.sources.HostsFile, l.sources.ZoneFile = l.Path("hosts"), l.Path("zone")
	return errors.Join(
		os.WriteFile(l.sources.HostsFile, []byte(peers.HostsLines(l.Fleet)), 0o600),
		os.WriteFile(l.sources.ZoneFile, []byte(peers.ZoneLines(l.Fleet)), 0o600),
	)
}
