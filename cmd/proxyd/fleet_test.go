//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

// fleet is a node that proxyd runs on, with a client and two servers behind
// it, and a real etcd that the node reaches at 127.0.0.1:2379.
type fleet struct {
	t                 *testing.T
	etcd              *registrytest.Etcd
	client, node, one *lab.Host
	proxyd            string // the program
}

const (
	portal  = "10.0.0.80:80"
	patient = time.Minute // for what must come, however busy the machine
	soon    = 500 * time.Millisecond
)

func newFleet(t *testing.T) *fleet {
	l := lab.New(t, "iptables", "ip6tables", "iptables-save")
	proxyd, err := exec.LookPath("proxyd") // the test itself, which TestMain makes behave as proxyd
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, client: l.Host("client"), node: l.Host("node"), one: l.Host("one"), proxyd: proxyd}
	f.node.Forward()
	for i, h := range []*lab.Host{f.client, f.one, l.Host("two")} {
		l.Link(h, f.node)
		h.Addr("node", fmt.Sprintf("10.1.%d.2/24", i))
		f.node.Addr(h.Name(), fmt.Sprintf("10.1.%d.1/24", i))
		h.Route(fmt.Sprintf("default via 10.1.%d.1", i))
		if h != f.client {
			f.serve(h)
		}
	}
	f.node.Route("default via 10.1.0.2") // as every node has one
	f.etcd = registrytest.StartEtcd(t)
	f.relay()
	f.put("/registry/servicecidrs/portals", `{"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1",
		"metadata": {"name": "portals"}, "spec": {"cidrs": ["10.0.0.0/16"]}}`)
	f.put("/registry/services/specs/default/web", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"},
		"spec": {"type": "NodePort", "clusterIP": "10.0.0.80", "externalIPs": ["10.1.0.1"], "ports": [
			{"name": "t", "protocol": "TCP", "port": 80, "nodePort": 30080}, {"name": "u", "protocol": "UDP", "port": 80, "nodePort": 30080}]}}`)
	f.endpoints("one")
	return f
}

// serve answers with the host's name, on TCP and UDP.
func (f *fleet) serve(h *lab.Host) {
	f.t.Helper()
	l, err := h.Listen("tcp", ":80")
	if err != nil {
		f.t.Fatal(err)
	}
	conn, err := h.ListenPacket("udp", ":80")
	if err != nil {
		f.t.Fatal(err)
	}
	var serving sync.WaitGroup
	f.t.Cleanup(func() { l.Close(); conn.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, h.Name())
			c.Close()
		}
	})
	serving.Go(func() {
		buf := make([]byte, 64)
		for {
			_, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte(h.Name()), from)
		}
	})
}

// relay leads 127.0.0.1:2379 of the node to the etcd of the test.
func (f *fleet) relay() {
	l, err := f.node.Listen("tcp", "127.0.0.1:2379")
	if err != nil {
		f.t.Fatal(err)
	}
	var relaying sync.WaitGroup
	ctx, stop := context.WithCancel(f.t.Context())
	f.t.Cleanup(func() { stop(); l.Close(); relaying.Wait() })
	relaying.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", f.etcd.Endpoint()[len("http://"):])
			if err != nil {
				c.Close()
				continue
			}
			end := sync.OnceFunc(func() { c.Close(); to.Close() })
			context.AfterFunc(ctx, end)
			relaying.Go(func() { _, _ = io.Copy(to, c); end() })
			relaying.Go(func() { _, _ = io.Copy(c, to); end() })
		}
	})
}

// load makes connections from the client to the portal IP, one after another,
// until the test ends. It returns what lets some more be made, and fails if one
// was not.
func (f *fleet) load() (more func(n int64)) {
	ctx, end := context.WithCancel(f.t.Context())
	var made atomic.Int64
	failed := make(chan error, 1)
	var making sync.WaitGroup
	f.t.Cleanup(func() { end(); making.Wait() })
	making.Go(func() {
		for ctx.Err() == nil {
			if _, err := f.ask(f.client, "tcp", portal, patient); err != nil {
				failed <- err
				return
			}
			made.Add(1)
		}
	})
	return func(n int64) {
		f.t.Helper()
		until := made.Load() + n
		f.eventually("connections", func() error {
			select {
			case err := <-failed:
				f.t.Fatalf("after %d connections: %v", made.Load(), err)
			default:
			}
			if made.Load() < until {
				return errors.New("not yet")
			}
			return nil
		})
	}
}

func (f *fleet) put(key, value string) {
	f.t.Helper()
	if _, err := f.etcd.Client().Put(f.t.Context(), key, value); err != nil && f.t.Context().Err() == nil {
		f.t.Error(err)
	}
}

// endpoints makes some of the servers the endpoints of the service.
func (f *fleet) endpoints(servers ...string) {
	f.t.Helper()
	subsets := ""
	for i, s := range servers {
		if i > 0 {
			subsets += ","
		}
		subsets += fmt.Sprintf(`{"addresses": [{"ip": "10.1.%d.2"}], "ports": [{"name": "t", "protocol": "TCP", "port": 80},
			{"name": "u", "protocol": "UDP", "port": 80}]}`, map[string]int{"one": 1, "two": 2}[s])
	}
	f.put("/registry/services/endpoints/default/web",
		`{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "web"}, "subsets": [`+subsets+`]}`)
}

// start runs proxyd on the node, until stop is called or the test ends. It
// waits until proxyd has begun, not until it has done anything.
func (f *fleet) start(args ...string) (stop func(os.Signal)) {
	f.t.Helper()
	cmd := f.node.Command(context.WithoutCancel(f.t.Context()), f.proxyd, args...)
	var log registrytest.Log
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var once sync.Once
	stop = func(s os.Signal) {
		once.Do(func() {
			_ = cmd.Process.Signal(s)
			select {
			case err := <-ended:
				if err != nil && s != os.Kill {
					f.t.Errorf("proxyd ended with %v; it said:\n%s", err, &log)
				}
			case <-time.After(patient):
				f.t.Errorf("proxyd does not end; it said:\n%s", &log)
				_ = cmd.Process.Kill()
			}
		})
	}
	f.t.Cleanup(func() {
		if f.t.Failed() {
			f.t.Logf("proxyd said:\n%s\nand there stands:\n%s", &log, f.iptables("nft", "-save"))
		}
		stop(syscall.SIGTERM)
	})
	f.eventually("proxyd listens", func() error {
		conn, err := f.node.Dial(f.t.Context(), "tcp", "127.0.0.1:10256")
		if err == nil {
			conn.Close()
		}
		return err
	})
	return stop
}

// run runs proxyd on the node to its end, and returns what it printed.
func (f *fleet) run(args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patient)
	defer cancel()
	cmd := f.node.Command(ctx, f.proxyd, args...)
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("proxyd %q: %v", args, err)
	}
	return string(out)
}

// ask connects from a host to an address, and returns which server answers
// within a time.
func (f *fleet) ask(from *lab.Host, network, address string, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), within)
	defer cancel()
	conn, err := from.Dial(ctx, network, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return answer(conn, within)
}

// answer returns what a connection's other end says to a question.
func answer(conn net.Conn, within time.Duration) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(within))
	if conn.LocalAddr().Network() == "udp" {
		if _, err := conn.Write([]byte("who?")); err != nil {
			return "", err
		}
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

// eventually tries until a function succeeds.
func (f *fleet) eventually(what string, try func() error) {
	f.t.Helper()
	var err error
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	f.t.Fatalf("%s: %v", what, err)
}

// reaches waits until an address is answered by a server.
func (f *fleet) reaches(from *lab.Host, network, address, server string) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("%s from %s to %s %s", server, from.Name(), network, address), func() error {
		got, err := f.ask(from, network, address, soon)
		if err == nil && got != server {
			err = fmt.Errorf("answered by %q", got)
		}
		return err
	})
}
