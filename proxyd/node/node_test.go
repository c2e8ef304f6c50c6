//go:build linux

package node

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/test/lab"
)

// wired returns a host with an interface named peer, which has a link-local
// address of its own.
func wired(t *testing.T) *lab.Host {
	l := lab.New(t)
	h := l.Host("node")
	l.Link(h, l.Host("peer"))
	return h
}

func TestAddrsLeavesOutLoopbackAndLinkLocal(t *testing.T) {
	h := wired(t)
	h.Addr("peer", "192.0.2.9/24", "192.0.2.1/24", "2001:db8::1/64", "169.254.1.1/16")
	h.Addr("lo", "198.51.100.7/32")
	var got []netip.Addr
	var err error
	h.Do(func() { got, err = Addrs() })
	want := []string{"192.0.2.1", "192.0.2.9", "198.51.100.7", "2001:db8::1"}
	var words []string
	for _, a := range got {
		words = append(words, a.String())
	}
	if diff := cmp.Diff(want, words); err != nil || diff != "" {
		t.Errorf("Addrs (-want +got), %v:\n%s", err, diff)
	}
}

func TestWatchTellsOfAddresses(t *testing.T) {
	h := wired(t)
	changed, ended := make(chan struct{}, 16), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go h.Do(func() { ended <- Watch(ctx, func() { changed <- struct{}{} }) })
	told := func(what string, args ...string) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			h.IP(append([]string{"addr"}, args...)...)
			select {
			case <-changed:
				return
			case <-time.After(100 * time.Millisecond): // not watching yet
			case <-deadline:
				t.Fatalf("not told of %s", what)
			}
		}
	}
	told("a new address", "replace", "192.0.2.1/24", "dev", "peer")
	h.IP("addr", "del", "192.0.2.1/24", "dev", "peer")
	<-changed
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v after its context ended, want nil", err)
	}
}

func TestListening(t *testing.T) {
	h := lab.New(t).Host("node")
	h.Addr("lo", "192.0.2.1/32", "2001:db8::1/128")
	tcp, err := h.Listen("tcp", "192.0.2.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := h.ListenPacket("udp", "[::]:53")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	var s Sockets
	h.Do(func() { s, err = Listening() })
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"TCP 192.0.2.1:80": true, "UDP 192.0.2.1:80": false, "TCP 192.0.2.1:53": false,
		"UDP 192.0.2.1:53": true, "UDP [2001:db8::1]:53": true, "TCP [2001:db8::1]:80": false,
	} {
		protocol, at := registry.Protocol(address[:3]), netip.MustParseAddrPort(address[4:])
		if got := s.Listens(protocol, at); got != want {
			t.Errorf("Listens(%s) = %v, want %v", address, got, want)
		}
	}
}

func TestNotForwarding(t *testing.T) {
	h := lab.New(t).Host("node")
	var off []string
	h.Sysctl("net/ipv4/ip_forward", "0")
	h.Sysctl("net/ipv6/conf/all/forwarding", "1")
	h.Do(func() { off = NotForwarding() })
	if !slices.Equal(off, []string{"net.ipv4.ip_forward"}) {
		t.Errorf("NotForwarding = %q, want IPv4's only", off)
	}
	h.Forward()
	h.Do(func() { off = NotForwarding() })
	if len(off) != 0 {
		t.Errorf("NotForwarding = %q on a router, want none", off)
	}
}
