//go:build linux

package conntrack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/svcreg/svcreg/test/lab"
)

// family is one family's addresses in the test.
type family struct {
	iptables, client, node, portal, other string
	backends                              [2]string
}

var families = map[string]family{
	"IPv4": {"iptables", "10.1.0.2", "10.1.0.1", "10.96.0.53", "10.96.0.54", [2]string{"192.0.2.1", "192.0.2.2"}},
	"IPv6": {"ip6tables", "fd01::2", "fd01::1", "fd96::53", "fd96::54", [2]string{"2001:db8::1", "2001:db8::2"}},
}

// A client that keeps its socket stays with the old endpoint until its flow is
// deleted, and then is served by the new one; other flows are left alone.
func TestDeleteUDP(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			client, node := hosts(t, f)
			for _, b := range f.backends {
				echo(t, node, b)
			}
			dnat(t, node, f, f.portal, f.backends[0])
			dnat(t, node, f, f.other, f.backends[0])
			conn, bystander := dial(t, client, f.portal), dial(t, client, f.other)
			expect(t, conn, f.backends[0])
			expect(t, bystander, f.backends[0])

			flush(t, node, f)
			dnat(t, node, f, f.portal, f.backends[1])
			dnat(t, node, f, f.other, f.backends[1])
			expect(t, conn, f.backends[0]) // else the test shows nothing

			portal := netip.AddrPortFrom(netip.MustParseAddr(f.portal), 53)
			var seen []string
			var n int
			var err error
			node.Do(func() {
				n, err = DeleteUDP(func(to, server netip.AddrPort) bool {
					seen = append(seen, fmt.Sprint(to, " ", server))
					return to == portal
				})
			})
			if n != 1 || err != nil {
				t.Errorf("DeleteUDP = %d, %v; want 1 flow", n, err)
			}
			want := fmt.Sprint(portal, " ", netip.AddrPortFrom(netip.MustParseAddr(f.backends[0]), 53))
			if !slices.Contains(seen, want) {
				t.Errorf("flows seen %q, want %q among them", seen, want)
			}
			expect(t, conn, f.backends[1])
			expect(t, bystander, f.backends[0])
		})
	}
}

func TestDeleteUDPLeavesTCPAlone(t *testing.T) {
	f := families["IPv4"]
	client, node := hosts(t, f)
	dnat(t, node, f, f.portal, f.backends[0]) // turns connection tracking on
	l, err := node.Listen("tcp", net.JoinHostPort(f.node, "53"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := client.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var n int
	node.Do(func() { n, err = DeleteUDP(func(netip.AddrPort, netip.AddrPort) bool { return true }) })
	if n != 0 || err != nil {
		t.Errorf("DeleteUDP = %d, %v; want no flow", n, err)
	}
}

// hosts returns a client and the node that it sends everything through.
func hosts(t *testing.T, f family) (client, node *lab.Host) {
	l := lab.New(t, "iptables", "ip6tables")
	client, node = l.Host("client"), l.Host("node")
	l.Link(client, node)
	bits := map[bool]string{true: "/24", false: "/64"}[f.iptables == "iptables"]
	client.Addr("node", f.client+bits)
	node.Addr("client", f.node+bits)
	for _, b := range f.backends {
		node.Addr("lo", b)
	}
	client.Route("default via " + f.node)
	return client, node
}

// echo answers each datagram with the server's own address.
func echo(t *testing.T, h *lab.Host, addr string) {
	conn, err := h.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 64)
		for {
			_, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte(addr), from)
		}
	}()
}

func dial(t *testing.T, h *lab.Host, addr string) net.Conn {
	conn, err := h.Dial(t.Context(), "udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// expect sends a datagram and wants it answered by a server.
func expect(t *testing.T, conn net.Conn, server string) {
	t.Helper()
	buf := make([]byte, 64)
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = conn.Write([]byte("hello"))
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != server {
		t.Errorf("%v was answered by %q, %v; want %s", conn.RemoteAddr(), buf[:n], err, server)
	}
}

func dnat(t *testing.T, h *lab.Host, f family, from, to string) {
	t.Helper()
	command(t, h, f.iptables, "-t", "nat", "-A", "PREROUTING", "-d", from, "-p", "udp", "--dport", "53",
		"-j", "DNAT", "--to-destination", net.JoinHostPort(to, "53"))
}

func flush(t *testing.T, h *lab.Host, f family) {
	t.Helper()
	command(t, h, f.iptables, "-t", "nat", "-F")
}

func command(t *testing.T, h *lab.Host, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := h.Command(ctx, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}
