//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netns"
)

// Host is a network namespace of a lab.
type Host struct {
	lab      *Lab
	name, ns string
}

// Host adds a host with nothing but a loopback interface. Its name, at most
// 15 letters, also names the interfaces that lead to it.
func (l *Lab) Host(name string) *Host {
	l.tb.Helper()
	h := &Host{l, name, l.id + "-" + name}
	l.ip("netns", "add", h.ns)
	l.tb.Cleanup(func() { l.ip("netns", "del", h.ns) })
	h.IP("link", "set", "lo", "up")
	return h
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// IP runs the ip command on the host; it must succeed.
func (h *Host) IP(args ...string) {
	h.lab.tb.Helper()
	h.lab.ip(append([]string{"-n", h.ns}, args...)...)
}

// Addr gives addresses, such as "192.0.2.1/24", to one of the host's
// interfaces. They can be used at once: IPv6 looks for no duplicates.
func (h *Host) Addr(dev string, addrs ...string) {
	h.lab.tb.Helper()
	for _, a := range addrs {
		args := []string{"addr", "add", a, "dev", dev}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		h.IP(args...)
	}
}

// Route adds routes, each as the ip command has them: "default via 192.0.2.1".
func (h *Host) Route(routes ...string) {
	h.lab.tb.Helper()
	for _, r := range routes {
		h.IP(append([]string{"route", "replace"}, strings.Fields(r)...)...)
	}
}

// Forward makes a router of the host, for both families.
func (h *Host) Forward() {
	h.lab.tb.Helper()
	h.Sysctl("net/ipv4/ip_forward", "1")
	h.Sysctl("net/ipv6/conf/all/forwarding", "1")
}

// Sysctl sets a kernel parameter of the host's network, named by its path.
func (h *Host) Sysctl(path, value string) {
	h.lab.tb.Helper()
	var err error
	h.Do(func() { err = os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0o644) })
	if err != nil {
		h.lab.tb.Fatalf("%s: sysctl %s: %v", h.name, path, err)
	}
}

// up switches an interface on. It can be used at once: its link-local address
// looks for no duplicates either.
func (h *Host) up(dev string) {
	h.lab.tb.Helper()
	h.Sysctl("net/ipv6/conf/"+dev+"/accept_dad", "0")
	h.IP("link", "set", dev, "up")
}

// Do runs a function on a thread of the host. Sockets that it opens belong to
// the host for good; goroutines that it starts do not.
func (h *Host) Do(f func()) {
	h.lab.tb.Helper()
	ns, err := netns.GetFromName(h.ns)
	if err != nil {
		h.lab.tb.Fatalf("%s: %v", h.name, err)
	}
	defer ns.Close()
	if err := visit(ns, f); err != nil {
		h.lab.tb.Fatalf("%s: %v", h.name, err)
	}
}

// visit runs a function on a thread that is in another network namespace. The
// thread comes back: should it end, so would the processes that were started
// on it.
func visit(ns netns.NsHandle, f func()) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		return fmt.Errorf("own namespace: %w", err)
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		return fmt.Errorf("enter namespace: %w", err)
	}
	f()
	if err := netns.Set(home); err != nil {
		return fmt.Errorf("leave namespace: %w", err) // the thread stays locked
	}
	runtime.UnlockOSThread()
	return nil
}

// Dial opens a connection from the host to an IP address and port.
func (h *Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	h.Do(func() { conn, err = (&net.Dialer{}).DialContext(ctx, network, address) })
	return conn, err
}

// Listen opens a listening socket on the host.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	h.Do(func() { l, err = net.Listen(network, address) })
	return l, err
}

// ListenPacket opens a datagram socket on the host.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	h.Do(func() { c, err = net.ListenPacket(network, address) })
	return c, err
}

// Command returns a command that will run on the host, and is killed should
// the test die.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.ns, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
