//go:build linux

package lab

import (
	"context"
	"io"
	"testing"
	"time"
)

// Two hosts on a switch and one behind a cable: what one sends the other gets.
func TestHostsReachEachOther(t *testing.T) {
	l := New(t)
	pod, node, server := l.Host("pod"), l.Host("node"), l.Host("server")
	l.Link(pod, node)
	l.Switch("lan", node, server)
	pod.Addr("node", "10.1.0.2/24", "fd01::2/64")
	node.Addr("pod", "10.1.0.1/24", "fd01::1/64")
	node.Addr("lan", "192.0.2.1/24", "2001:db8::1/64")
	server.Addr("lan", "192.0.2.2/24", "2001:db8::2/64")
	node.Forward()
	pod.Route("default via 10.1.0.1", "default via fd01::1")
	server.Route("10.1.0.0/24 via 192.0.2.1", "fd01::/64 via 2001:db8::1")

	for _, address := range []string{"192.0.2.2:80", "[2001:db8::2]:80"} {
		listener, err := server.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				_, _ = io.WriteString(conn, conn.RemoteAddr().String())
				conn.Close()
			}
		}()
		conn, err := pod.Dial(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if want := conn.LocalAddr().String(); err != nil || string(got) != want {
			t.Errorf("%s saw client %q (%v), want %q", address, got, err, want)
		}
	}
}

// A host whose cable is out reaches nobody; put back, it does again.
func TestUnplug(t *testing.T) {
	l := New(t)
	a, b := l.Host("here"), l.Host("there")
	l.Switch("lan", a, b)
	a.Addr("lan", "192.0.2.1/24")
	b.Addr("lan", "192.0.2.2/24")
	listener, err := b.Listen("tcp", "192.0.2.2:80")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dial := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, err := a.Dial(ctx, "tcp", "192.0.2.2:80")
		if err == nil {
			conn.Close()
		}
		return err
	}
	l.Unplug("lan", b)
	if dial(100*time.Millisecond) == nil {
		t.Error("connected without a cable")
	}
	l.Plug("lan", b)
	if err := dial(10 * time.Second); err != nil {
		t.Error(err)
	}
}

// A command runs with the addresses of its host and no others.
func TestCommandRunsOnItsHost(t *testing.T) {
	h := New(t).Host("alone")
	h.Addr("lo", "192.0.2.77/32")
	out, err := h.Command(t.Context(), "ip", "-br", "-4", "addr").CombinedOutput()
	if want := "lo               UNKNOWN        127.0.0.1/8 192.0.2.77/32 \n"; err != nil || string(out) != want {
		t.Errorf("addresses %q (%v), want %q", out, err, want)
	}
}
