// Package lab has all that the servers of one measure need, on loopback and in
// a directory that goes away: an etcd with a registry, a backend, and the
// servers' configurations.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/loopback"
	"github.com/svcreg/svcreg/bench/store"
)

// Config says what a lab is made of.
type Config struct {
	// Proxyd, Reverse and Etcd are programs; nginx and HAProxy are installed.
	Proxyd, Reverse, Etcd string
	// Small and Large are the bytes of the two bodies.
	Small, Large int
	// Connections are how many clients a server has at most.
	Connections int
}

// Lab is a running etcd, and a directory.
type Lab struct {
	Config
	dir  string
	etcd *store.Store
}

// Open starts a lab. The caller closes it, also if there is an error.
func Open(ctx context.Context, c Config) (*Lab, error) {
	l := &Lab{Config: c}
	var err error
	if l.dir, err = os.MkdirTemp("", "svcreg-bench-"); err != nil {
		return l, err
	}
	if err := l.writeBodies(); err != nil {
		return l, fmt.Errorf("lab: %w", err)
	}
	l.etcd, err = store.Start(ctx, store.Config{
		Program: c.Etcd, Dir: l.dir, ClientURL: "http://" + loopback.Free().String(), PeerURL: "http://" + loopback.Free().String(),
	})
	if err != nil {
		return l, fmt.Errorf("lab: %w", err)
	}
	return l, nil
}

// Close stops etcd and removes all files. The servers have stopped by then.
func (l *Lab) Close() error {
	var errs []error
	if l.etcd != nil {
		errs = append(errs, l.etcd.Close())
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// Dir is the lab's directory.
func (l *Lab) Dir() string { return l.dir }

// Path returns the path of a file in the lab's directory.
func (l *Lab) Path(name string) string { return filepath.Join(l.dir, name) }

// register writes a service to etcd whose only endpoint is a backend.
func (l *Lab) register(ctx context.Context, backend netip.AddrPort) error {
	for _, o := range objects(backend) {
		value, err := kube.Protobuf(o)
		if err != nil {
			return err
		}
		if err := l.etcd.Put(ctx, kube.Key(o), value); err != nil {
			return err
		}
	}
	return nil
}
