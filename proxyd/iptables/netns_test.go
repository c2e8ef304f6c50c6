package iptables

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lab is a node between a client and two servers, each in a network namespace
// of its own.
type lab struct {
	id      string
	backend string
}

// The lab's addresses. The node routes between all of them; whatever it
// doesn't know it sends to the first server, which drops it. (Not back to the
// client: the kernel would send redirects, and those count against the refusals
// that it may send.)
const (
	client4, client6     = "10.9.0.2", "fd09::2"
	node4, node6         = "10.9.0.1", "fd09::1"
	server1v4, server1v6 = "10.1.1.2", "fd01:1::2"
	server2v4, server2v6 = "10.1.2.2", "fd01:2::2"
)

// forEachBackend runs a test in a lab for each iptables backend.
func forEachBackend(t *testing.T, test func(t *testing.T, l *lab)) {
	for _, backend := range []string{ModeNFT, ModeLegacy} {
		t.Run(backend, func(t *testing.T) { test(t, newLab(t, backend)) })
	}
}

// needRoot skips a test where it can't run, saying why, unless
// SVCREG_REQUIRE_ROOT=1 says that this won't do.
func needRoot(t testing.TB, tools ...string) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("SVCREG_REQUIRE_ROOT") == "1" {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("needs root, to make network namespaces")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			skip("needs %s: %v", tool, err)
		}
	}
}

// newBareLab returns a lab that is a node without neighbours.
func newBareLab(t testing.TB, backend string) *lab {
	t.Helper()
	needRoot(t, "ip", "iptables-"+backend+"-restore", "ip6tables-"+backend+"-restore")
	l := &lab{id: fmt.Sprintf("svcreg-ipt-%d-%s", os.Getpid(), backend), backend: backend}
	l.add(t, "node")
	return l
}

// add makes a namespace for the time of the test.
func (l *lab) add(t testing.TB, ns string) {
	t.Helper()
	command(t, nil, "ip", "netns", "add", l.ns(ns))
	t.Cleanup(func() { command(t, nil, "ip", "netns", "del", l.ns(ns)) })
	l.in(t, ns, nil, "ip", "link", "set", "lo", "up")
}

func newLab(t *testing.T, backend string) *lab {
	t.Helper()
	l := newBareLab(t, backend)
	for _, ns := range []string{"client", "s1", "s2"} {
		l.add(t, ns)
	}
	l.in(t, "node", nil, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
	l.link(t, "client", "10.9.0", "fd09:")
	l.link(t, "s1", "10.1.1", "fd01:1:")
	l.link(t, "s2", "10.1.2", "fd01:2:")
	l.in(t, "node", nil, "ip", "route", "add", "default", "via", server1v4)
	l.in(t, "node", nil, "ip", "-6", "route", "add", "default", "via", server1v6)
	l.serve(t, "node", node4, node6)
	l.serve(t, "s1", server1v4, server1v6)
	l.serve(t, "s2", server2v4, server2v6)
	return l
}

// ns returns a namespace's full name.
func (l *lab) ns(name string) string { return l.id + "-" + name }

// link connects a namespace to the node: the node has .1, the other .2.
func (l *lab) link(t *testing.T, name, net4, net6 string) {
	t.Helper()
	command(t, nil, "ip", "link", "add", name, "netns", l.ns("node"), "type", "veth", "peer", "name", "eth0", "netns", l.ns(name))
	for ns, link := range map[string][2]string{"node": {name, "1"}, name: {"eth0", "2"}} {
		dev, host := link[0], link[1]
		l.in(t, ns, nil, "ip", "addr", "add", net4+"."+host+"/24", "dev", dev)
		l.in(t, ns, nil, "ip", "addr", "add", net6+":"+host+"/64", "dev", dev, "nodad")
		l.in(t, ns, nil, "ip", "link", "set", dev, "up")
	}
	l.in(t, name, nil, "ip", "route", "add", "default", "via", net4+".1")
	l.in(t, name, nil, "ip", "-6", "route", "add", "default", "via", net6+":1")
}

// in runs a command in a namespace and returns what it prints.
func (l *lab) in(t testing.TB, ns string, input []byte, args ...string) string {
	t.Helper()
	return command(t, input, append([]string{"ip", "netns", "exec", l.ns(ns)}, args...)...)
}

func command(t testing.TB, input []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// save returns the node's rules without dates and counters.
func (l *lab) save(t *testing.T) string {
	t.Helper()
	var kept []string
	for _, command := range []string{"iptables-", "ip6tables-"} {
		for line := range strings.Lines(l.in(t, "node", nil, command+l.backend+"-save")) {
			if strings.HasPrefix(line, ":") {
				line, _, _ = strings.Cut(line, " [")
			}
			if !strings.HasPrefix(line, "#") {
				kept = append(kept, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(kept, "\n")
}

// inside calls a function on a thread that is in a namespace: sockets that it
// opens belong there.
func (l *lab) inside(t testing.TB, ns string, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and nobody
		// else gets one that is in the wrong namespace.
		runtime.LockOSThread()
		f, err := os.Open("/run/netns/" + l.ns(ns))
		if err == nil {
			defer f.Close()
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("entering %s: %v", ns, err)
	}
}

// serve answers on port 8080 of some addresses, TCP and UDP: each answer is
// "own address client's address".
func (l *lab) serve(t *testing.T, ns string, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		l.serveAt(t, ns, a, "8080")
	}
}

func (l *lab) serveAt(t *testing.T, ns, address, port string) {
	t.Helper()
	l.inside(t, ns, func() {
		tcp, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			t.Error(err)
			return
		}
		udp, err := net.ListenPacket("udp", net.JoinHostPort(address, port))
		if err != nil {
			t.Error(err)
			return
		}
		go serveTCP(tcp, address)
		go serveUDP(udp, address)
		t.Cleanup(func() { tcp.Close(); udp.Close() })
	})
}

func serveTCP(l net.Listener, name string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "%s %s", name, host(conn.RemoteAddr()))
		conn.Close()
	}
}

func serveUDP(c net.PacketConn, name string) {
	buf := make([]byte, 16)
	for {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		fmt.Fprintf(udpWriter{c, from}, "%s %s", name, host(from))
	}
}

// udpWriter writes to one client.
type udpWriter struct {
	net.PacketConn
	to net.Addr
}

func (w udpWriter) Write(b []byte) (int, error) { return w.WriteTo(b, w.to) }

func host(a net.Addr) string {
	return netip.MustParseAddrPort(a.String()).Addr().String()
}

// patience is far longer than any answer takes, a refusal included.
const patience = 30 * time.Second

// ask opens a connection from a namespace and returns who answered, and whom
// that one takes the client for.
func (l *lab) ask(t *testing.T, ns, network, to string) (server, client string, err error) {
	t.Helper()
	return l.askWithin(t, ns, network, to, patience)
}

func (l *lab) askWithin(t *testing.T, ns, network, to string, patience time.Duration) (server, client string, err error) {
	t.Helper()
	l.inside(t, ns, func() {
		var conn net.Conn
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if conn, err = (&net.Dialer{}).DialContext(ctx, network, to); err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		if network == "udp" {
			fmt.Fprint(conn, "?")
		}
		buf := make([]byte, 256)
		var n int
		if n, err = conn.Read(buf); err == nil {
			_, err = fmt.Sscan(string(buf[:n]), &server, &client)
		}
	})
	return server, client, err
}

// reached returns who answers when asked often enough to meet everyone.
func (l *lab) reached(t *testing.T, ns, network, to string) map[string]bool {
	t.Helper()
	servers := map[string]bool{}
	for range 20 {
		server, _, err := l.ask(t, ns, network, to)
		if err != nil {
			t.Errorf("%s from %s to %s: %v", network, ns, to, err)
			break
		}
		servers[server] = true
	}
	return servers
}

// labKernel is that of the lab's node.
type labKernel struct {
	commands
	lab *lab
	t   testing.TB
}

func (k labKernel) Generation() (g uint32, err error) {
	k.lab.inside(k.t, "node", func() { g, err = k.commands.Generation() })
	return g, err
}

// kernel returns the real commands, run on the lab's node.
func (l *lab) kernel(t testing.TB) labKernel {
	c := newCommands(l.backend)
	c.wrap = []string{"ip", "netns", "exec", l.ns("node")}
	return labKernel{c, l, t}
}

// proxier returns a Proxier for the lab's node.
func (l *lab) proxier(t testing.TB, cfg Config) *Proxier {
	return NewWithKernel(cfg, l.kernel(t), Features{IPv6: true, RandomFully: true, Legacy: l.backend == ModeLegacy})
}
