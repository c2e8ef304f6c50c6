//go:build linux

package conntrack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// ways are those in which the same flows are deleted.
var ways = map[string]func(Flow) []Flow{
	"the kernel tells all":    func(Flow) []Flow { return nil },
	"the kernel looks for it": func(f Flow) []Flow { return []Flow{others(f, 1)[0], f} },
	"among many":              func(f Flow) []Flow { return append(others(f, few), f) },
}

// others returns flows that nobody has.
func others(f Flow, n int) (all []Flow) {
	for range n {
		f.Server = netip.AddrPortFrom(f.Server.Addr().Next(), f.Server.Port())
		all = append(all, Flow{f.To, netip.AddrPortFrom(f.Server.Addr(), 5353)})
	}
	return all
}

// A client that keeps its socket stays with the old endpoint until its flow is
// deleted, and then is served by the new one; other flows are left alone.
func TestDeleteUDP(t *testing.T) {
	for name, f := range families {
		for way, only := range ways {
			t.Run(name+", "+way, func(t *testing.T) { follows(t, f, only) })
		}
	}
}

func follows(t *testing.T, f family, only func(Flow) []Flow) {
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
	for _, portal := range []string{f.portal, f.other} {
		dnat(t, node, f, portal, f.backends[1])
	}
	expect(t, conn, f.backends[0]) // else the test shows nothing

	stale := Flow{dns(f.portal), dns(f.backends[0])}
	var err error
	node.Do(func() { err = table(t).DeleteUDP(Stale{func(g Flow) bool { return g == stale }, only(stale)}) })
	if err != nil {
		t.Error(err)
	}
	expect(t, conn, f.backends[1])
	expect(t, bystander, f.backends[0])
}

func table(tb testing.TB) *Table {
	t := &Table{}
	tb.Cleanup(t.Close)
	return t
}

// dns returns an address with port 53.
func dns(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 53) }

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
	if err := flows(node); err != nil {
		t.Fatal(err)
	}
	var seen []Flow
	node.Do(func() { err = table(t).DeleteUDP(Stale{Is: func(g Flow) bool { seen = append(seen, g); return true }}) })
	if len(seen) > 0 || err != nil {
		t.Errorf("asked about %v, %v; want no flow", seen, err)
	}
	if err := flows(node); err != nil {
		t.Error(err)
	}
}

// flows returns an error where the kernel doesn't know of just one flow.
func flows(node *lab.Host) (err error) {
	node.Do(func() {
		var count []byte
		if count, err = os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count"); err == nil && string(count) != "1\n" {
			err = fmt.Errorf("%s flows, want 1", bytes.TrimSpace(count))
		}
	})
	return err
}

// What the kernel never says is an error, and no crash.
func FuzzParse(f *testing.F) {
	flow := Flow{dns("10.0.0.1"), dns("10.1.0.1")}
	var whole []byte
	for _, a := range flow.attributes() {
		whole = append(whole, a.Serialize()...)
	}
	if got, protocol, err := parse(whole); got != flow || protocol != unix.IPPROTO_UDP || err != nil {
		f.Errorf("parse = %v, %d, %v; want %v", got, protocol, err, flow)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = parse(b) })
}

// hosts returns a client and the node that it sends everything through.
func hosts(t testing.TB, f family) (client, node *lab.Host) {
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

func dial(t testing.TB, h *lab.Host, addr string) net.Conn {
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
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = conn.Write([]byte("hello"))
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != server {
		t.Errorf("%v was answered by %q, %v; want %s", conn.RemoteAddr(), buf[:n], err, server)
	}
}

func dnat(t testing.TB, h *lab.Host, f family, from, to string) {
	t.Helper()
	command(t, h, f.iptables, "-t", "nat", "-A", "PREROUTING", "-d", from, "-p", "udp", "--dport", "53",
		"-j", "DNAT", "--to-destination", net.JoinHostPort(to, "53"))
}

func flush(t *testing.T, h *lab.Host, f family) {
	t.Helper()
	command(t, h, f.iptables, "-t", "nat", "-F")
}

func command(t testing.TB, h *lab.Host, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := h.Command(ctx, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// BenchmarkDeleteUDP has the kernel look for a flow among 5,000, and tell all of
// them.
func BenchmarkDeleteUDP(b *testing.B) {
	f := families["IPv4"]
	client, node := hosts(b, f)
	dnat(b, node, f, f.portal, f.backends[0])
	for range 5000 {
		_, _ = dial(b, client, f.portal).Write([]byte("hello"))
	}
	flow, kernel := Flow{dns(f.other), dns(f.backends[1])}, table(b)
	for way, only := range ways {
		b.Run(way, func(b *testing.B) {
			node.Do(func() {
				for b.Loop() {
					if err := kernel.DeleteUDP(Stale{func(g Flow) bool { return g == flow }, only(flow)}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
