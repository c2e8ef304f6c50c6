//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/dataplane/traffic"
	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/process"
	"github.com/svcreg/svcreg/bench/store"
)

// node is a network whose node has a registry in an etcd of its own, and runs
// proxyd.
type node struct {
	fleet    *services.Fleet
	network  *network.Network
	dir      string
	store    *store.Store
	proxyd   string
	acceptor *traffic.Acceptor
	receiver *traffic.Receiver
	sender   *traffic.Sender
	probed   int // changes of the probe
	churned  int // changes of others
}

// Where etcd listens, on the node's own loopback.
const (
	clientURL = "http://127.0.0.1:2379"
	peerURL   = "http://127.0.0.1:2380"
)

// newNode builds a node and fills its registry. The caller closes it, also if
// there is an error.
func (m *Measurer) newNode(ctx context.Context, f *services.Fleet) (*node, error) {
	n := &node{fleet: f, proxyd: m.Proxyd}
	for _, step := range []func() error{
		func() (err error) { n.network, err = network.Open(ctx); return err },
		func() (err error) { n.dir, err = os.MkdirTemp("", "svcreg-bench-"); return err },
		func() (err error) { n.store, err = n.startEtcd(ctx, m.Etcd); return err },
		func() error { return n.fill(ctx) },
		func() (err error) { n.acceptor, err = traffic.NewAcceptor(n.network); return err },
		func() (err error) { n.receiver, err = traffic.NewReceiver(n.network); return err },
		func() (err error) { n.sender, err = traffic.NewSender(n.network); return err },
	} {
		if err := step(); err != nil {
			return n, fmt.Errorf("node: %w", err)
		}
	}
	return n, nil
}

func (n *node) startEtcd(ctx context.Context, program string) (*store.Store, error) {
	return store.Start(ctx, store.Config{
		Program: program, Dir: n.dir, ClientURL: clientURL, PeerURL: peerURL,
		Wrap: n.network.Node.Command, Dial: n.network.Node.Dial,
	})
}

func (n *node) fill(ctx context.Context) error {
	filler := n.store.Filler()
	for o := range n.fleet.Objects() {
		value, err := kube.Protobuf(o)
		if err != nil {
			return err
		}
		if err := filler.Put(ctx, kube.Key(o), string(value)); err != nil {
			return err
		}
	}
	return filler.Flush(ctx)
}

// close stops all that runs, and removes it.
func (n *node) close() error {
	var errs []error
	if n.sender != nil {
		errs = append(errs, n.sender.Close())
	}
	if n.receiver != nil {
		errs = append(errs, n.receiver.Close())
	}
	if n.acceptor != nil {
		errs = append(errs, n.acceptor.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.network != nil {
		errs = append(errs, n.network.Close())
	}
	if n.dir != "" {
		errs = append(errs, os.RemoveAll(n.dir))
	}
	return errors.Join(errs...)
}

// start starts proxyd. It doesn't wait until services are reached.
func (n *node) start(ctx context.Context, s shape.Shape) (*process.Process, error) {
	argv := append([]string{
		n.proxyd, "--etcd-endpoints=" + clientURL, "--cluster-cidr=" + services.Cluster.String(), "--hostname-override=node",
		"--healthz-listen=", "--metrics-listen=",
	}, s.Daemon...)
	return process.Start(ctx, process.Options{Dir: n.dir}, "proxyd", n.network.Node.Command(argv...)...)
}

// cleanup has proxyd remove all its rules.
func (n *node) cleanup(ctx context.Context, s shape.Shape) error {
	argv := n.network.Node.Command(append([]string{n.proxyd, "cleanup"}, s.Daemon...)...)
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil { //nolint:gosec // the benchmark's own
		return fmt.Errorf("proxyd cleanup: %w: %s", err, out)
	}
	return nil
}

// sampled is how many services are tried to see that all are reached.
const sampled = 20

// reached waits until services from all over the registry are reached, and
// returns when that was.
func (n *node) reached(ctx context.Context, p *process.Process) (time.Time, error) {
	deadline := time.Now().Add(patience)
	for i := range sampled {
		s := n.fleet.Service(1 + i*(n.fleet.Len()-4)/sampled)
		if s.Protocol != n.fleet.Talker().Protocol {
			continue
		}
		for {
			err := n.try(ctx, s)
			if err == nil {
				break
			}
			if err := errors.Join(ctx.Err(), p.Err()); err != nil {
				return time.Time{}, err
			}
			if time.Now().After(deadline) {
				return time.Time{}, fmt.Errorf("%s is not reached: %w", s.Name, err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	return time.Now(), nil
}

// try opens a connection to a service. One that stands does so within far less
// than a millisecond; what is sent too early is lost.
func (n *node) try(ctx context.Context, s services.Service) error {
	const within = 10 * time.Millisecond
	return n.network.Client.Do(func() error {
		conn, err := (&net.Dialer{Timeout: within}).DialContext(ctx, "tcp4", s.Portal().String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
