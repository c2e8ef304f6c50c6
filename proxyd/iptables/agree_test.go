package iptables

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// TestPacketsFareAsTheRulesSay sends packets of all sorts of clients to random
// services: what the chains do is what the rules say, with the chains made by
// many changes.
func TestPacketsFareAsTheRulesSay(t *testing.T) {
	clients := addrs([]string{
		"10.1.0.3", "10.1.9.9", "10.2.3.4", "10.0.1.77", "10.3.2.200", "203.0.113.9", node4, "127.0.0.1",
		"fd01::3", "fd01::99", "fd00::99", "2001:db8::9", node6,
	})
	for _, all := range []bool{false, true} {
		policy := everywhere
		policy.MasqueradeAll = all
		n := newNode(t, Config{ClusterCIDRs: pods, MasqueradeAll: all})
		rnd := rand.New(rand.NewPCG(11, 12))
		for range 40 {
			n.randomStep(rnd)
			n.sync(t)
		}
		said := rules.Compile(n.snapshot, policy)
		fates := map[rules.Fate]int{}
		for r := range said.Rules() {
			to := r.Frontend
			if to.IsNodePort() {
				to.Addr = clients[slices.IndexFunc(clients, func(a netip.Addr) bool {
					return a.Is4() == r.Addr.Is4() && slices.Contains(policy.NodeAddrs, a)
				})]
			}
			for _, client := range clients {
				if client.Is4() != to.Addr.Is4() {
					continue
				}
				v := rules.Trace(said, client, to)
				fates[v.Fate]++
				p := Packet{From: client, To: netip.AddrPortFrom(to.Addr, to.Port), Protocol: to.Protocol, Local: client.IsLoopback() || slices.Contains(policy.NodeAddrs, client)}
				if diff := cmp.Diff(outcomesOf(v, p.To), withoutHow(n.kernel.Trace(p)), roughly); diff != "" {
					t.Fatalf("%v to %v, of %v (-rules +chains):\n%s", client, to, r, diff)
				}
			}
		}
		if fates[rules.Sent] < 100 || fates[rules.Dropped] < 50 || fates[rules.Refused] < 50 {
			t.Errorf("the packets' fates are %v: not enough of each", fates)
		}
	}
}

// outcomesOf returns what a verdict comes to.
func outcomesOf(v rules.Verdict, to netip.AddrPort) map[Outcome]float64 {
	switch v.Fate {
	case rules.Passed:
		return even(Outcome{To: to})
	case rules.Refused:
		return even(Outcome{To: to, Refused: true, How: "refused"})
	case rules.Dropped:
		return even(Outcome{To: to, Refused: true, How: "drop"})
	}
	slots, all := 0, map[Outcome]float64{}
	for _, hop := range v.To {
		slots += int(hop.Weight)
	}
	for _, hop := range v.To {
		all[Outcome{To: hop.AddrPort, Masqueraded: hop.Masqueraded}] += float64(hop.Weight) / float64(slots)
	}
	return all
}

// withoutHow returns outcomes that say only whether a refusal is sent.
func withoutHow(outcomes map[Outcome]float64) map[Outcome]float64 {
	all := map[Outcome]float64{}
	for o, probability := range outcomes {
		if o.Refused && o.How != "drop" {
			o.How = "refused"
		}
		all[o] += probability
	}
	return all
}

// Where an address of the node has a frontend of its own, no node port takes its
// packets, not even those that the frontend refuses.
func TestOwnAddressComesBeforeNodePort(t *testing.T) {
	taken := node4 + ":30080"
	nodePort := service{name: "b", portals: []string{"10.0.0.2"}, backends: []string{"10.1.0.1"}, ports: nodePorts(30080)}
	port := []registry.Port{{Protocol: registry.TCP, Port: 30080, TargetPort: "8080"}}
	for _, tt := range []struct {
		name string
		own  service
		want map[Outcome]float64
	}{
		{"served", service{publics: []string{node4}, backends: []string{"10.1.0.9"}}, even(masqueradedTo("10.1.0.9:8080"))},
		{"refused", service{publics: []string{node4}}, even(refusedWith(taken, "tcp-reset"))},
		{"not admitted", service{balanced: []string{node4}, backends: []string{"10.1.0.9"}, sources: []string{"198.51.100.0/24"}}, even(refusedWith(taken, "drop"))},
		{"served elsewhere", service{publics: []string{node4}, backends: []string{"10.1.0.9@there"}, externalLocal: true}, even(refusedWith(taken, "drop"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.own.name, tt.own.ports = "own", port
			n := newNode(t, Config{ClusterCIDRs: pods}, nodePort, tt.own)
			if diff := cmp.Diff(tt.want, n.kernel.Trace(packet("203.0.113.9", taken, registry.TCP)), roughly); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(even(masqueradedTo("10.1.0.1:8080")), n.kernel.Trace(packet("203.0.113.9", "10.1.1.1:30080", registry.TCP)), roughly); diff != "" {
				t.Errorf("at another address (-want +got):\n%s", diff)
			}
		})
	}
}

// Node ports are open at the addresses that were named; never at loopback and
// link-local ones.
func TestNodePortAddresses(t *testing.T) {
	s := service{name: "a", portals: []string{"10.0.0.1", "fd00::1"}, backends: []string{"10.1.0.1", "fd01::1"}, ports: nodePorts(30080)}
	empty := service{name: "b", portals: []string{"10.0.0.2", "fd00::2"}, ports: nodePorts(30081)}
	to := func(a string, port int) string {
		return netip.AddrPortFrom(netip.MustParseAddr(a), uint16(port)).String()
	}
	for _, tt := range []struct {
		addrs string // --nodeport-addresses
		open  []string
		shut  []string
	}{
		{"", []string{node4, "10.1.1.1", node6, "fd01:1::1"}, []string{"127.0.0.1", "169.254.1.1", "10.9.0.77", "::1", "fe80::1"}},
		{"10.9.0.0/24", []string{node4}, []string{"10.1.1.1", node6, "127.0.0.1", "10.9.0.77"}},
		{"10.9.0.1/32,fd01::/16", []string{node4, "fd01:1::1"}, []string{"10.1.1.1", node6}},
		{"0.0.0.0/0", []string{node4, "10.1.1.1"}, []string{"127.0.0.1", node6}},
	} {
		t.Run(tt.addrs, func(t *testing.T) {
			n := newNode(t, Config{NodePortAddrs: networks(tt.addrs)}, s, empty)
			n.kernel.Addrs = append(addrs([]string{"169.254.1.1", "fe80::1"}), everywhere.NodeAddrs...)
			check := func(a string, port int, want map[Outcome]float64) {
				t.Helper()
				from := map[bool]string{true: "203.0.113.9", false: "2001:db8::9"}[netip.MustParseAddr(a).Is4()]
				if diff := cmp.Diff(want, n.kernel.Trace(packet(from, to(a, port), "TCP")), roughly); diff != "" {
					t.Errorf("%s (-want +got):\n%s", to(a, port), diff)
				}
			}
			for _, a := range tt.open {
				backend := map[bool]string{true: "10.1.0.1:8080", false: "[fd01::1]:8080"}[netip.MustParseAddr(a).Is4()]
				check(a, 30080, even(masqueradedTo(backend)))
				check(a, 30081, even(refusedWith(to(a, 30081), "tcp-reset")))
			}
			for _, a := range tt.shut {
				check(a, 30080, even(sentTo(to(a, 30080))))
				check(a, 30081, even(sentTo(to(a, 30081))))
			}
		})
	}
}

// nodePorts returns a TCP port with a node port.
func nodePorts(number uint16) []registry.Port {
	return []registry.Port{{Protocol: "TCP", Port: 80, TargetPort: "8080", NodePort: number}}
}

func networks(text string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// An endpoint that connects to a portal of a backend whose own address and port
// is a node port that is refused is not refused: it was translated.
func TestRefusalsAreForUntranslatedPackets(t *testing.T) {
	n := newNode(t, Config{},
		service{name: "host", portals: []string{"10.0.0.1"}, backends: []string{node4}, ports: []registry.Port{{Protocol: "TCP", Port: 80, TargetPort: "30081"}}},
		service{name: "empty", portals: []string{"10.0.0.2"}, ports: nodePorts(30081)})
	want := even(sentTo(fmt.Sprint(node4, ":30081")))
	if diff := cmp.Diff(want, n.kernel.Trace(packet("10.1.9.9", "10.0.0.1:80", "TCP")), roughly); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
