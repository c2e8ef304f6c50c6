//go:build linux

package traffic

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/network"
)

// open returns a network that goes away with the test. It skips the test where
// there can be none.
func open(t *testing.T) *network.Network {
	t.Helper()
	if err := network.Check(); err != nil {
		t.Skip(err)
	}
	n, err := network.Open(t.Context())
	t.Cleanup(func() { closed(t, n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func closed(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// swallowed is an address that what comes to is swallowed.
var swallowed = netip.MustParseAddrPort("10.192.0.1:80")

// A node that tracks connections sees as many flows as packets were sent, and
// none once they are forgotten.
func TestEachPacketIsAFlow(t *testing.T) {
	n := open(t)
	nft(t, n, "table ip t { chain c { type filter hook forward priority 0; ct state new counter; ct state != new counter; }; }")
	f, err := NewFlows(n)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, f)
	cost, err := f.Cost(t.Context(), swallowed, 20*time.Millisecond)
	if err != nil || cost <= 0 || cost > time.Millisecond {
		t.Errorf("%v, %v", cost, err)
	}
	out, err := exec.Command("ip", n.Node.Command("nft", "list", "table", "ip", "t")[1:]...).CombinedOutput()
	if text := string(out); err != nil || strings.Contains(text, "ct state new counter packets 0 ") ||
		!strings.Contains(text, "ct state != new counter packets 0 ") {
		t.Errorf("%v: %s", err, text)
	}
	out, err = exec.Command("ip", n.Node.Command("cat", "/proc/net/stat/nf_conntrack")[1:]...).CombinedOutput()
	if lines := strings.Split(string(out), "\n"); err != nil || len(lines) < 2 || !strings.HasPrefix(lines[1], "00000000 ") {
		t.Errorf("flows are left: %v: %s", err, out)
	}
}

// Packets that don't arrive are no measure.
func TestLostPacketsAreAnError(t *testing.T) {
	n := open(t)
	nft(t, n, "table ip t { chain c { type filter hook forward priority 0; drop; }; }")
	f, err := NewFlows(n)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, f)
	if _, err := f.Cost(t.Context(), swallowed, time.Millisecond); err == nil {
		t.Error("no error")
	}
}

func nft(t *testing.T, n *network.Network, text string) {
	t.Helper()
	if out, err := exec.Command("ip", n.Node.Command("nft", text)[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

// Whoever waits for packets to an address is told of the first to that address
// and to no other.
func TestReceiver(t *testing.T) {
	n := open(t)
	r, err := NewReceiver(n)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, r)
	s, err := NewSender(n)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	arrived := r.Expect(netip.MustParseAddr("10.160.0.7"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Stream(ctx, s, netip.MustParseAddrPort("10.160.0.6:80"), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if len(arrived) > 0 {
		t.Error("told of another's packet")
	}
	sent := time.Now()
	for range 2 {
		if err := s.Send(netip.MustParseAddrPort("10.160.0.7:80")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case at := <-arrived:
		if at.Before(sent) {
			t.Errorf("arrived %v before it was sent", sent.Sub(at))
		}
	case <-time.After(10 * time.Second):
		t.Error("never arrived")
	}
}

func TestConnect(t *testing.T) {
	n := open(t)
	a, err := NewAcceptor(n)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, a)
	took, err := Connect(t.Context(), n, netip.MustParseAddrPort("10.128.0.1:80"), 50*time.Millisecond)
	if err != nil || len(took) < 5 {
		t.Errorf("%d connections, %v", len(took), err)
	}
	if _, err := Connect(t.Context(), n, netip.MustParseAddrPort("10.128.0.1:81"), 50*time.Millisecond); err == nil {
		t.Error("connected where nobody listens")
	}
	t.Logf("%v", took[len(took)/2])
}
