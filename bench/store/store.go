// Package store runs the benchmarks' etcd, and writes to it.
package store

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/svcreg/svcreg/bench/process"
)

const (
	// batch is how many keys one transaction puts, no more than etcd takes.
	batch = 100
	// startTime is how long etcd may take to serve.
	startTime = 30 * time.Second
)

// Config says which etcd is run, and where.
type Config struct {
	Program string
	Dir     string // that it works in, and keeps its files in
	// ClientURL and PeerURL are where it listens.
	ClientURL, PeerURL string
	// Wrap, if not nil, returns the words that run a command where etcd is to
	// run, and Dial opens connections there.
	Wrap func(argv ...string) []string
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Store is a running etcd.
type Store struct {
	*process.Process
	URL    string
	client *clientv3.Client
}

// Start starts an etcd that doesn't wait for the disk: what is measured is the
// way from an acknowledged write on. The caller closes it, also if there is an
// error.
func Start(ctx context.Context, c Config) (*Store, error) {
	s := &Store{URL: c.ClientURL}
	argv := []string{
		c.Program, "--data-dir", filepath.Join(c.Dir, "etcd"), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", c.ClientURL, "--advertise-client-urls", c.ClientURL,
		"--listen-peer-urls", c.PeerURL, "--initial-advertise-peer-urls", c.PeerURL, "--initial-cluster", "default=" + c.PeerURL,
		"--snapshot-count", "1000000", "--quota-backend-bytes", "8589934592",
	}
	if c.Wrap != nil {
		argv = c.Wrap(argv...)
	}
	var err error
	if s.Process, err = process.Start(ctx, process.Options{Dir: c.Dir}, "etcd", argv...); err != nil {
		return s, err
	}
	if s.client, err = connect(c); err != nil {
		return s, err
	}
	return s, s.await(ctx)
}

// connect returns a client of the etcd.
func connect(c Config) (*clientv3.Client, error) {
	config := clientv3.Config{Endpoints: []string{c.ClientURL}, Logger: zap.NewNop(), DialTimeout: time.Minute}
	if c.Dial != nil {
		config.DialOptions = append(config.DialOptions, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return c.Dial(ctx, "tcp", address)
		}))
	}
	return clientv3.New(config)
}

// await waits until etcd answers.
func (s *Store) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		_, err := s.client.Get(ctx, "ready")
		switch {
		case err == nil:
			return nil
		case s.Err() != nil:
			return s.Err()
		case ctx.Err() != nil:
			return fmt.Errorf("etcd doesn't answer: %w", err)
		}
	}
}

// Close stops etcd.
func (s *Store) Close() error {
	var err error
	if s.client != nil {
		err = s.client.Close()
	}
	if s.Process != nil {
		s.Stop()
	}
	return err
}

// Put writes a value. It returns once that is acknowledged.
func (s *Store) Put(ctx context.Context, key string, value []byte) error {
	if _, err := s.client.Put(ctx, key, string(value)); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// Filler writes many values, some at a time. The last come with Flush.
type Filler struct {
	store *Store
	puts  []clientv3.Op
}

// Filler returns a Filler.
func (s *Store) Filler() *Filler { return &Filler{store: s} }

// Put writes a value sooner or later.
func (f *Filler) Put(ctx context.Context, key, value string) error {
	f.puts = append(f.puts, clientv3.OpPut(key, value))
	if len(f.puts) < batch {
		return nil
	}
	return f.Flush(ctx)
}

// Flush writes what was not written yet.
func (f *Filler) Flush(ctx context.Context) error {
	_, err := f.store.client.Txn(ctx).Then(f.puts...).Commit()
	f.puts = f.puts[:0]
	if err != nil {
		return fmt.Errorf("fill etcd: %w", err)
	}
	return nil
}
