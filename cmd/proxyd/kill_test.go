//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/svcreg/svcreg/test/lab"
)

// kills is how often proxyd is killed in each mode.
const kills = 70

// However often proxyd is killed while it syncs, nobody is led astray: each
// connection comes to its own service's endpoint, and those that stand go on.
func TestKilledWhileItSyncs(t *testing.T) {
	for _, args := range [][]string{
		{"--proxy-mode=nftables"}, {"--iptables-backend=nft"}, {"--iptables-backend=legacy"},
	} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.neighbours()
			stop := f.start(args...)
			f.reaches(f.client, "tcp", portal, "one")
			f.reaches(f.client, "udp", f.neighbour(neighbours-1), f.server(neighbours-1))
			f.reaches(f.client, "tcp", echoes, "echo")
			stop(os.Kill)
			standing, check := f.standing(), f.check()
			f.churn()
			for i := range kills {
				cmd := f.node.Command(context.WithoutCancel(t.Context()), f.proxyd, args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(rand.N(250 * time.Millisecond)) // a moment like any other
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if err := check(); err != nil {
					t.Fatalf("killed %d times: %v", i+1, err)
				}
				if err := standing(); err != nil {
					t.Fatalf("killed %d times: a connection that stood: %v", i+1, err)
				}
			}
		})
	}
}

// neighbours are services that never change, half of them on each server.
const neighbours = 100

// echoes is a service that holds its connections.
const echoes = "10.0.0.7:7"

func (f *fleet) neighbour(i int) string { return fmt.Sprintf("10.0.1.%d:80", i) }

func (f *fleet) server(i int) string { return []string{"one", "two"}[i%2] }

func (f *fleet) neighbours() {
	f.t.Helper()
	for i := range neighbours {
		f.service(fmt.Sprint("s", i), f.neighbour(i), i%2)
	}
	f.service("echo", echoes, 0)
	f.echo(f.one)
}

// service writes a service of TCP and UDP on one of the servers.
func (f *fleet) service(name, at string, server int) {
	f.t.Helper()
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		f.t.Fatal(err)
	}
	ports := fmt.Sprintf(`[{"name": "t", "protocol": "TCP", "port": %[1]s}, {"name": "u", "protocol": "UDP", "port": %[1]s}]`, port)
	f.put("/registry/services/specs/default/"+name, fmt.Sprintf(
		`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": %q}, "spec": {"clusterIP": %q, "ports": %s}}`, name, host, ports))
	f.put("/registry/services/endpoints/default/"+name, fmt.Sprintf(
		`{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": %q}, "subsets": [{"addresses": [{"ip": "10.1.%d.2"}], "ports": %s}]}`,
		name, server+1, ports))
}

// standing opens a connection, and returns what asks whether it still stands.
func (f *fleet) standing() func() error {
	f.t.Helper()
	conn, err := f.client.Dial(f.t.Context(), "tcp", echoes)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	if got, err := answer(conn, patient); got != "echo" {
		f.t.Fatalf("answered by %q, %v", got, err)
	}
	return func() error {
		if _, err := io.WriteString(conn, "ping"); err != nil {
			return err
		}
		if got, err := answer(conn, patient); got != "ping" || err != nil {
			return fmt.Errorf("answered by %q, %w", got, err)
		}
		return nil
	}
}

// check makes connections to services of all kinds until the test ends, and
// returns what says whether one went wrong.
func (f *fleet) check() func() error {
	ctx, end := context.WithCancel(f.t.Context())
	failed := make(chan error, 1)
	var checking sync.WaitGroup
	f.t.Cleanup(func() { end(); checking.Wait() })
	checking.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			network, i := []string{"tcp", "udp"}[n%2], rand.N(neighbours)
			got, err := f.ask(f.client, network, f.neighbour(i), patient)
			if err == nil && got != f.server(i) {
				err = fmt.Errorf("%s %s was answered by %q", network, f.neighbour(i), got)
			}
			if _, err2 := f.ask(f.client, network, portal, patient); err == nil { // by either
				err = err2
			}
			if err != nil && ctx.Err() == nil {
				failed <- err
				return
			}
		}
	})
	return func() error {
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}
}

// churn swaps the endpoint of a service, and makes and deletes others, until the
// test ends.
func (f *fleet) churn() {
	ctx, end := context.WithCancel(f.t.Context())
	var churning sync.WaitGroup
	f.t.Cleanup(func() { end(); churning.Wait() })
	churning.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			f.endpoints([]string{"one", "two"}[n%2])
			name := fmt.Sprint("x", n%50)
			if n/50%2 == 0 {
				f.service(name, fmt.Sprintf("10.0.2.%d:80", n%50), n%2)
			} else {
				f.delete("/registry/services/specs/default/" + name)
			}
			time.Sleep(2 * time.Millisecond) // a change now and then, and no load test of etcd
		}
	})
}

func (f *fleet) delete(key string) {
	f.t.Helper()
	if _, err := f.etcd.Client().Delete(f.t.Context(), key); err != nil && f.t.Context().Err() == nil {
		f.t.Error(err)
	}
}

// echo says its name and then all that it is told, on a server.
func (f *fleet) echo(h *lab.Host) {
	f.t.Helper()
	l, err := h.Listen("tcp", ":7")
	if err != nil {
		f.t.Fatal(err)
	}
	var serving sync.WaitGroup
	f.t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				defer context.AfterFunc(f.t.Context(), func() { c.Close() })()
				_, _ = io.WriteString(c, "echo")
				_, _ = io.Copy(c, c)
			})
		}
	})
}
