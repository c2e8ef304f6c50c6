package iptables

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// manyPorts returns a service with n ports, and as many node ports, on TCP and
// UDP by turns.
func manyPorts(n int) service {
	s := service{name: "ports", portals: []string{"10.0.0.1"}, publics: []string{"192.0.2.1"}, backends: []string{"10.1.0.1", "10.1.0.2", "10.1.0.3"}}
	for i := range uint16(n) {
		s.ports = append(s.ports, registry.Port{
			Name: fmt.Sprint(i), Protocol: protocols[1+i%2], Port: 1000 + 7*i, TargetPort: "80", NodePort: 30000 + i,
		})
	}
	return s
}

// manyBackends returns a service with n endpoints.
func manyBackends(n int) service {
	s := service{name: "backends", portals: []string{"10.0.0.1"}, publics: []string{"192.0.2.1"}}
	for i := range n {
		s.backends = append(s.backends, fmt.Sprintf("10.1.%d.%d@%s", i/250, 1+i%250, []string{"here", "there"}[i%2]))
	}
	return s
}

// TestNoChainIsLong looks at every chain for what there may be much of: ports
// of one address, node ports, endpoints, source ranges.
func TestNoChainIsLong(t *testing.T) {
	sticky, local, balanced := manyBackends(3000), manyBackends(3000), manyBackends(3000)
	sticky.affinity = time.Hour
	local.externalLocal = true
	balanced.balanced = []string{"192.0.2.2"}
	for i := range 5000 {
		balanced.sources = append(balanced.sources, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 7), byte(i << 1)}), 31).String())
	}
	for name, s := range map[string]service{
		"ports": manyPorts(2500), "backends": manyBackends(3000), "backends, affinity": sticky, "backends, Local": local, "sources": balanced,
	} {
		state := newState(rules.IPv4, newWorld(s).rules, base{clusterCIDRs: pods})
		longest, n := 0, 0
		state.all(func(c *chain) {
			longest, n = max(longest, len(c.lines())), n+1
			if len(c.name) > 28 {
				t.Errorf("%s: the name %s is too long", name, c.name)
			}
		})
		if longest > 2*64+4 {
			t.Errorf("%s: a chain has %d rules", name, longest)
		}
		if n > 4000 {
			t.Errorf("%s: %d chains", name, n)
		}
	}
}

// TestPacketsMeetFewRules counts what a packet passes on its way to the last of
// many ports, and to none of them.
func TestPacketsMeetFewRules(t *testing.T) {
	n := newNode(t, Config{}, manyPorts(2500))
	for _, tt := range []struct {
		to   string
		most int
	}{{"10.0.0.1:18493", 60}, {"192.0.2.1:18493", 60}, {node4 + ":32499", 60}, {node4 + ":80", 15}, {"10.0.0.1:80", 20}, {"8.8.8.8:53", 10}} {
		before := n.kernel.met
		got := n.kernel.Trace(packet("203.0.113.9", tt.to, protocols[1+2499%2]))
		if met := n.kernel.met - before; met > tt.most {
			t.Errorf("a packet to %s meets %d rules, want at most %d", tt.to, met, tt.most)
		}
		if sent := strings.HasSuffix(tt.to, "99") || strings.HasSuffix(tt.to, "93"); sent != (len(got) == 3) {
			t.Errorf("a packet to %s: %v", tt.to, got)
		}
	}
}

// TestChangeOfPartIsSmall makes single changes to a service that has much of
// everything.
func TestChangeOfPartIsSmall(t *testing.T) {
	change := func(name string, before, after service, most int) {
		t.Helper()
		n := newNode(t, Config{ClusterCIDRs: pods}, before)
		n.put(after)
		n.kernel.Inputs()
		n.sync(t)
		touched := 0
		for _, input := range n.kernel.Inputs() {
			touched += strings.Count(input, "\n:") + strings.Count(input, "\n-X")
		}
		if touched == 0 || touched > most {
			t.Errorf("%s: %d chains are touched, want 1 to %d", name, touched, most)
		}
	}
	ports, more := manyPorts(2000), manyPorts(2000)
	more.ports = append(more.ports, registry.Port{Name: "new", Protocol: registry.TCP, Port: 9, TargetPort: "80", NodePort: 30707})
	change("a port more", ports, more, 3*6)
	backends, swapped, fewer := manyBackends(2000), manyBackends(2000), manyBackends(2000)
	swapped.backends[1000] = "10.1.99.99@here"
	fewer.backends = fewer.backends[1:]
	change("an endpoint swapped", backends, swapped, 2*5)
	change("an endpoint less", backends, fewer, 2*3)
}

// TestSpans checks what chains are called and what leads to them.
func TestSpans(t *testing.T) {
	all := func(s string) span { return spanOf(frontend(s)) }
	tests := []struct{ a, b, match, chain string }{
		{"10.0.0.1:80/TCP", "10.0.0.1:80/TCP", "-d 10.0.0.1/32 -p tcp -m tcp --dport 80 ", "SVCREG-0A000001-TCP-0050-16"},
		{"10.0.0.1:80/TCP", "10.0.0.1:81/TCP", "-d 10.0.0.1/32 -p tcp -m tcp --dport 80:87 ", "SVCREG-0A000001-TCP-0050-13"},
		{"10.0.0.1:80/TCP", "10.0.0.1:65535/TCP", "-d 10.0.0.1/32 -p tcp ", "SVCREG-0A000001-TCP-0000-0"},
		{"10.0.0.1:80/TCP", "10.0.0.1:30000/TCP", "-d 10.0.0.1/32 -p tcp -m tcp --dport 0:32767 ", "SVCREG-0A000001-TCP-0000-1"},
		{"10.0.0.1:80/TCP", "10.0.0.1:80/UDP", "-d 10.0.0.1/32 ", "SVCREG-0A000001-32"},
		{"10.0.0.1:80/TCP", "10.0.0.2:80/TCP", "-d 10.0.0.0/30 ", "SVCREG-0A000000-30"},
		{"10.0.0.1:80/TCP", "10.0.1.2:80/TCP", "-d 10.0.0.0/21 ", "SVCREG-0A000000-21"},
		{"10.0.0.1:80/TCP", "192.0.2.1:80/TCP", "", "SVCREG-00000000-0"},
		{"0.0.0.0:30000/SCTP", "0.0.0.0:30000/SCTP", "-p sctp -m sctp --dport 30000 ", "SVCREG-NODEPORT-SCTP-7530-16"},
		{"0.0.0.0:30000/UDP", "0.0.0.0:32767/UDP", "-p udp -m udp --dport 28672:32767 ", "SVCREG-NODEPORT-UDP-7000-4"},
		{"0.0.0.0:30000/UDP", "0.0.0.0:30000/TCP", "", "SVCREG-NODEPORT-ALL"},
		{"[::]:30000/UDP", "[::]:30001/UDP", "-p udp -m udp --dport 30000:30007 ", "SVCREG-NODEPORT-UDP-7530-13"},
		{"[fd00::1]:80/UDP", "[fd00::8]:80/UDP", "-d fd00::/123 ", "SVCREG-6-"},
		{"[fd00::1]:80/UDP", "[fd00::1]:81/UDP", "-d fd00::1/128 -p udp -m udp --dport 80:87 ", "SVCREG-6-"},
	}
	for _, tt := range tests {
		for _, s := range []span{around(all(tt.a), all(tt.b)), around(all(tt.b), all(tt.a))} {
			if got := s.match(span{}); got != tt.match {
				t.Errorf("around %s and %s: match %q, want %q", tt.a, tt.b, got, tt.match)
			}
			if got := s.chain(); got != tt.chain && (tt.chain != "SVCREG-6-" || !strings.HasPrefix(got, tt.chain)) {
				t.Errorf("around %s and %s: chain %q, want %q", tt.a, tt.b, got, tt.chain)
			}
			if a, b := all(tt.a), all(tt.b); !s.contains(a.first) || !s.contains(b.first) || a != b && s.share(a.first) == s.share(b.first) {
				t.Errorf("%+v is not the tightest around %s and %s", s, tt.a, tt.b)
			}
		}
	}
}
