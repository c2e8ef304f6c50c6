package iptables

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// node is a node under test: a Proxier over a fake kernel.
type testNode struct {
	*world
	kernel  *Fake
	proxier *Proxier
}

// newNode returns a node that has carried out some services.
func newNode(t *testing.T, cfg Config, services ...service) *testNode {
	t.Helper()
	n := &testNode{world: newWorld(services...), kernel: NewFake()}
	n.kernel.Addrs = everywhere.NodeAddrs
	n.proxier = NewWithKernel(cfg, n.kernel, Features{IPv6: true, RandomFully: true})
	n.sync(t)
	return n
}

// sync carries out what changed since the last time.
func (n *testNode) sync(t *testing.T) {
	t.Helper()
	if err := n.proxier.Sync(t.Context(), n.rules, n.changed, nil); err != nil {
		t.Fatal(err)
	}
}

func packet(from, to string, protocol registry.Protocol) Packet {
	return Packet{From: netip.MustParseAddr(from), To: netip.MustParseAddrPort(to), Protocol: protocol}
}

func sentTo(to string) Outcome { return Outcome{To: netip.MustParseAddrPort(to)} }

func masqueradedTo(to string) Outcome {
	return Outcome{To: netip.MustParseAddrPort(to), Masqueraded: true}
}

func refusedWith(to, how string) Outcome {
	return Outcome{To: netip.MustParseAddrPort(to), Refused: true, How: how}
}

// even gives each outcome the same probability.
func even(outcomes ...Outcome) map[Outcome]float64 {
	m := map[Outcome]float64{}
	for _, o := range outcomes {
		m[o] = 1 / float64(len(outcomes))
	}
	return m
}

var roughly = cmp.Options{cmpopts.EquateApprox(0, 1e-6), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}

var sample = []service{
	{name: "web", portals: []string{"10.0.0.1", "fd00::1"}, publics: []string{"192.0.2.1", "2001:db8::1"},
		backends: []string{"10.1.0.1", "10.1.0.2", "10.1.0.3", "fd01::1", "fd01::2"}},
	{name: "dns", portals: []string{"10.0.0.2"}, backends: []string{"10.1.0.4"},
		ports: []registry.Port{{Name: "a", Protocol: registry.UDP, Port: 53}, {Name: "b", Protocol: registry.TCP, Port: 53}}},
	{name: "sctp", portals: []string{"10.0.0.3"}, backends: []string{"10.1.0.5"},
		ports: []registry.Port{{Protocol: registry.SCTP, Port: 7}}},
	{name: "empty", portals: []string{"10.0.0.4", "fd00::4"}, publics: []string{"192.0.2.4"},
		ports: []registry.Port{{Name: "a", Protocol: registry.UDP, Port: 53}, {Name: "b", Protocol: registry.TCP, Port: 53}}},
	{name: "external", portals: []string{"10.0.0.5"}, backends: []string{"198.51.100.1"}},
	{name: "large", portals: []string{"10.0.0.6"}, backends: []string{
		"10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4", "10.2.0.5", "10.2.0.6", "10.2.0.7", "10.2.0.8", "10.2.0.9"}},
}

func TestPackets(t *testing.T) {
	plain, border, all := Config{}, Config{ClusterCIDRs: pods}, Config{MasqueradeAll: true}
	tests := []struct {
		name   string
		cfg    Config
		packet Packet
		want   map[Outcome]float64
	}{
		{"portal IP", plain, packet("10.1.9.9", "10.0.0.1:80", registry.TCP),
			even(sentTo("10.1.0.1:8080"), sentTo("10.1.0.2:8080"), sentTo("10.1.0.3:8080"))},
		{"portal IP, IPv6", plain, packet("fd01::9", "[fd00::1]:80", registry.TCP),
			even(sentTo("[fd01::1]:8080"), sentTo("[fd01::2]:8080"))},
		{"hairpin", plain, packet("10.1.0.2", "10.0.0.1:80", registry.TCP),
			even(sentTo("10.1.0.1:8080"), masqueradedTo("10.1.0.2:8080"), sentTo("10.1.0.3:8080"))},
		{"hairpin, IPv6", plain, packet("fd01::2", "[fd00::1]:80", registry.TCP),
			even(sentTo("[fd01::1]:8080"), masqueradedTo("[fd01::2]:8080"))},
		{"public address", plain, packet("203.0.113.9", "192.0.2.1:80", registry.TCP),
			even(masqueradedTo("10.1.0.1:8080"), masqueradedTo("10.1.0.2:8080"), masqueradedTo("10.1.0.3:8080"))},
		{"public address, IPv6", plain, packet("2001:db8:1::9", "[2001:db8::1]:80", registry.TCP),
			even(masqueradedTo("[fd01::1]:8080"), masqueradedTo("[fd01::2]:8080"))},
		{"other port", plain, packet("10.1.9.9", "10.0.0.1:81", registry.TCP), even(sentTo("10.0.0.1:81"))},
		{"other protocol", plain, packet("10.1.9.9", "10.0.0.1:80", registry.UDP), even(sentTo("10.0.0.1:80"))},
		{"neighbour address", plain, packet("10.1.9.9", "10.0.0.7:80", registry.TCP), even(sentTo("10.0.0.7:80"))},
		{"elsewhere", plain, packet("10.1.9.9", "8.8.8.8:53", registry.UDP), even(sentTo("8.8.8.8:53"))},
		{"no translation, source is destination", plain, packet("10.1.0.1", "10.1.0.1:80", registry.TCP), even(sentTo("10.1.0.1:80"))},
		{"UDP", plain, packet("10.1.9.9", "10.0.0.2:53", registry.UDP), even(sentTo("10.1.0.4:53"))},
		{"TCP at the same port", plain, packet("10.1.9.9", "10.0.0.2:53", registry.TCP), even(sentTo("10.1.0.4:53"))},
		{"SCTP", plain, packet("10.1.9.9", "10.0.0.3:7", registry.SCTP), even(sentTo("10.1.0.5:7"))},
		{"no endpoints, TCP", plain, packet("10.1.9.9", "10.0.0.4:53", registry.TCP), even(refusedWith("10.0.0.4:53", "tcp-reset"))},
		{"no endpoints, UDP", plain, packet("10.1.9.9", "10.0.0.4:53", registry.UDP), even(refusedWith("10.0.0.4:53", "icmp-port-unreachable"))},
		{"no endpoints, IPv6 UDP", plain, packet("fd01::9", "[fd00::4]:53", registry.UDP), even(refusedWith("[fd00::4]:53", "icmp6-port-unreachable"))},
		{"no endpoints, public", plain, packet("203.0.113.9", "192.0.2.4:53", registry.TCP), even(refusedWith("192.0.2.4:53", "tcp-reset"))},
		{"more endpoints than a leaf holds", plain, packet("10.1.9.9", "10.0.0.6:80", registry.TCP), even(
			sentTo("10.2.0.1:8080"), sentTo("10.2.0.2:8080"), sentTo("10.2.0.3:8080"), sentTo("10.2.0.4:8080"), sentTo("10.2.0.5:8080"),
			sentTo("10.2.0.6:8080"), sentTo("10.2.0.7:8080"), sentTo("10.2.0.8:8080"), sentTo("10.2.0.9:8080"))},
		{"pod to pod", border, packet("10.2.9.9", "10.0.0.2:53", registry.UDP), even(sentTo("10.1.0.4:53"))},
		{"pod to outside endpoint", border, packet("10.1.9.9", "10.0.0.5:80", registry.TCP), even(masqueradedTo("198.51.100.1:8080"))},
		{"outside to pod", border, packet("172.16.0.1", "10.0.0.2:53", registry.UDP), even(masqueradedTo("10.1.0.4:53"))},
		{"outside to pod, IPv6", border, packet("2001:db8::9", "[fd00::1]:80", registry.TCP),
			even(masqueradedTo("[fd01::1]:8080"), masqueradedTo("[fd01::2]:8080"))},
		{"outside to outside", border, packet("172.16.0.1", "10.0.0.5:80", registry.TCP), even(sentTo("198.51.100.1:8080"))},
		{"pod to outside directly", border, packet("10.1.9.9", "198.51.100.1:8080", registry.TCP), even(sentTo("198.51.100.1:8080"))},
		{"hairpin within the border", border, packet("10.1.0.4", "10.0.0.2:53", registry.UDP), even(masqueradedTo("10.1.0.4:53"))},
		{"masquerade all", all, packet("10.1.9.9", "10.0.0.2:53", registry.UDP), even(masqueradedTo("10.1.0.4:53"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, tt.cfg, sample...)
			for _, local := range []bool{false, true} {
				tt.packet.Local = local
				if diff := cmp.Diff(tt.want, n.kernel.Trace(tt.packet), roughly); diff != "" {
					t.Errorf("local %v (-want +got):\n%s", local, diff)
				}
			}
		})
	}
}

func TestPortalNetworkDecidesOnMasquerading(t *testing.T) {
	n := newNode(t, Config{MasqueradeAll: true}, service{name: "a", portals: []string{"10.0.0.1"}, backends: []string{"10.1.0.1"}})
	portal := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	if err := n.proxier.Sync(t.Context(), n.rules, nil, portal); err != nil {
		t.Fatal(err)
	}
	save, _ := n.kernel.Save(t.Context(), rules.IPv4)
	if !strings.Contains(string(save), "--ctorigdst 10.0.0.0/24") {
		t.Errorf("the portal network given to Sync is not used:\n%s", save)
	}
}

func TestAffinity(t *testing.T) {
	web := service{name: "web", portals: []string{"10.0.0.1"}, backends: []string{"10.1.0.1", "10.1.0.2"}, affinity: time.Hour}
	n := newNode(t, Config{}, web)
	p := packet("10.1.9.9", "10.0.0.1:80", registry.TCP)
	if got := len(n.kernel.Trace(p)); got != 2 {
		t.Fatalf("a new client has %d outcomes, want 2", got)
	}
	stays := n.kernel.Send(p)
	if diff := cmp.Diff(even(stays), n.kernel.Trace(p), roughly); diff != "" {
		t.Errorf("the client doesn't stay (-want +got):\n%s", diff)
	}
	if got := len(n.kernel.Trace(packet("10.1.9.8", "10.0.0.1:80", registry.TCP))); got != 2 {
		t.Errorf("another client has %d outcomes, want 2", got)
	}

	web.backends = slices.DeleteFunc(web.backends, func(b string) bool { return b == stays.To.Addr().String() })
	n.put(web)
	n.sync(t)
	if diff := cmp.Diff(even(sentTo(web.backends[0]+":8080")), n.kernel.Trace(p), roughly); diff != "" {
		t.Errorf("the client stays with an endpoint that is gone (-want +got):\n%s", diff)
	}
}

// TestHairpinPrograms runs the BPF programs over addresses that differ in one
// byte, wherever that is.
func TestHairpinPrograms(t *testing.T) {
	for program, text := range map[string]string{hairpin4: "10.1.2.3", hairpin6: "fd01:203:405:607:809:a0b:c0d:e0f"} {
		a := netip.MustParseAddr(text)
		runs := func(b netip.Addr) bool {
			return walk{}.runs(program, flight{Packet: Packet{From: a, To: netip.AddrPortFrom(b, 80)}})
		}
		if !runs(a) {
			t.Errorf("no match for %v to itself", a)
		}
		for i := range a.AsSlice() {
			other := a.AsSlice()
			other[i] ^= 0x10
			if b, _ := netip.AddrFromSlice(other); runs(b) {
				t.Errorf("a match for %v to %v", a, b)
			}
		}
	}
}
