//go:build linux

// Package lab builds hosts out of network namespaces, for tests that send
// real packets through real kernels. Nothing in a lab can reach the machine's
// own network, and nothing of it is left when the test ends.
package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// Lab is a set of hosts that live as long as a test.
type Lab struct {
	tb testing.TB
	id string
}

var labs atomic.Int32

// New returns an empty lab. Without root or the programs a lab needs it skips
// the test and says why; where SVCREG_REQUIRE_ROOT is set, as it is in CI, it
// fails the test instead.
func New(tb testing.TB, programs ...string) *Lab {
	tb.Helper()
	if why := missing(append(programs, "ip")); why != "" {
		if os.Getenv("SVCREG_REQUIRE_ROOT") != "" {
			tb.Fatalf("network namespaces: %s", why)
		}
		tb.Skipf("network namespaces: %s", why)
	}
	return &Lab{tb, fmt.Sprintf("svcreg%d-%d", os.Getpid(), labs.Add(1))}
}

// missing says what keeps a lab from being built here; empty for nothing.
func missing(programs []string) string {
	if os.Geteuid() != 0 {
		return "this test needs root"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return err.Error()
		}
	}
	return ""
}

// Link connects two hosts by a cable. Each end is an interface named after the
// other host.
func (l *Lab) Link(a, b *Host) {
	l.tb.Helper()
	l.ip("link", "add", b.name, "netns", a.ns, "type", "veth", "peer", "name", a.name, "netns", b.ns)
	a.up(b.name)
	b.up(a.name)
}

// Switch connects hosts to one Ethernet segment. Each has an interface of the
// segment's name.
func (l *Lab) Switch(name string, hosts ...*Host) {
	l.tb.Helper()
	bridge := l.Host(name)
	bridge.IP("link", "add", "bridge", "type", "bridge")
	bridge.IP("link", "set", "bridge", "up")
	for _, h := range hosts {
		l.ip("link", "add", h.name, "netns", bridge.ns, "type", "veth", "peer", "name", name, "netns", h.ns)
		bridge.IP("link", "set", h.name, "master", "bridge")
		bridge.IP("link", "set", h.name, "up")
		h.up(name)
	}
}

// Unplug pulls a host's cable out of a switch: what is sent is lost, and nobody
// is told. The host keeps its addresses and routes.
func (l *Lab) Unplug(segment string, h *Host) {
	l.tb.Helper()
	l.ip("-n", l.id+"-"+segment, "link", "set", h.name, "down")
}

// Plug puts the cable back.
func (l *Lab) Plug(segment string, h *Host) {
	l.tb.Helper()
	l.ip("-n", l.id+"-"+segment, "link", "set", h.name, "up")
}

// ip runs the ip command, which must succeed.
func (l *Lab) ip(args ...string) {
	l.tb.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.tb.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
