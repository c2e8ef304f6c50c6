package nftables

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

func backends(texts ...string) rules.Target {
	var t rules.Target
	for _, text := range texts {
		t.Backends = append(t.Backends, rules.Backend{AddrPort: netip.MustParseAddrPort(text), Weight: 1})
	}
	return t
}

func TestElements(t *testing.T) {
	at := rules.Frontend{Addr: netip.MustParseAddr("10.0.0.1"), Protocol: registry.TCP, Port: 80}
	at6 := rules.Frontend{Addr: netip.MustParseAddr("fd00::1"), Protocol: registry.SCTP, Port: 65535}
	node := rules.Frontend{Addr: netip.IPv4Unspecified(), Protocol: registry.UDP, Port: 30000}
	here := backends("10.1.0.1:8080")
	weighted := backends("10.1.0.1:80", "10.1.0.2:80")
	weighted.Backends[1].Weight = 2
	for _, tt := range []struct {
		name string
		rule rules.Rule
		want []string
	}{
		{"portal IP", rules.Rule{Frontend: at, Target: backends("10.1.0.1:8080", "10.1.0.2:8080")}, []string{
			"frontends 10.0.0.1 . tcp . 80 : 0:2",
			"endpoints 10.0.0.1 . tcp . 80 . 0:0 : 10.1.0.1 . 8080", "endpoints 10.0.0.1 . tcp . 80 . 0:1 : 10.1.0.2 . 8080",
			"hairpin 10.1.0.1 . 10.1.0.1", "hairpin 10.1.0.2 . 10.1.0.2",
		}},
		{"IPv6", rules.Rule{Frontend: at6, Target: backends("[fd01::1]:1")}, []string{
			"frontends fd00::1 . sctp . 65535 : 0:1", "endpoints fd00::1 . sctp . 65535 . 0:0 : fd01::1 . 1", "hairpin fd01::1 . fd01::1",
		}},
		{"weights", rules.Rule{Frontend: at, Target: weighted}, []string{
			"frontends 10.0.0.1 . tcp . 80 : 0:3",
			"endpoints 10.0.0.1 . tcp . 80 . 0:0 : 10.1.0.1 . 80", "endpoints 10.0.0.1 . tcp . 80 . 0:1 : 10.1.0.2 . 80", "endpoints 10.0.0.1 . tcp . 80 . 0:2 : 10.1.0.2 . 80",
			"hairpin 10.1.0.1 . 10.1.0.1", "hairpin 10.1.0.2 . 10.1.0.2",
		}},
		{"refuse", rules.Rule{Frontend: at}, []string{"frontends 10.0.0.1 . tcp . 80 : 3:0"}},
		{"drop", rules.Rule{Frontend: at, Target: rules.Target{Drop: true}}, []string{"frontends 10.0.0.1 . tcp . 80 : b:0"}},
		{"node port, Local", rules.Rule{Frontend: node, Target: backends("10.1.0.2:8080"), Outside: &here, External: true}, []string{
			"frontends 0.0.0.0 . udp . 30000 : 1f:0",
			"endpoints 0.0.0.0 . udp . 30000 . 0:0 : 10.1.0.2 . 8080", "endpoints 0.0.0.0 . udp . 30000 . 0:8000 : 10.1.0.1 . 8080",
			"inside 0.0.0.0 . udp . 30000 : 5:1", "outside 0.0.0.0 . udp . 30000 : 6:1",
			"hairpin 10.1.0.1 . 10.1.0.1", "hairpin 10.1.0.2 . 10.1.0.2",
		}},
		{"source ranges", rules.Rule{Frontend: at, Target: here, External: true, Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.64/26")}}, []string{
			"frontends 10.0.0.1 . tcp . 80 : 13:0", "admitted 10.0.0.1 . tcp . 80 : 1:1", "sources 10.0.0.1 . tcp . 80 . 192.0.2.64-192.0.2.127",
			"endpoints 10.0.0.1 . tcp . 80 . 0:0 : 10.1.0.1 . 8080", "hairpin 10.1.0.1 . 10.1.0.1",
		}},
		{"affinity", rules.Rule{Frontend: at, Target: here, Affinity: time.Minute}, []string{
			"frontends 10.0.0.1 . tcp . 80 : 1e0:1", "picks 10.0.0.1 . tcp . 80 . 0:0 : a202:d2c8",
			"sticky 10.0.0.1 . tcp . 80 . a202:d2c8 : 10.1.0.1 . 8080", "hairpin 10.1.0.1 . 10.1.0.1",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := rules.IPv4
			if tt.rule.Addr.Is6() {
				f = rules.IPv6
			}
			var got []string
			add := func(e element) { got = append(got, setNames[e.set]+" "+e.text(f)) }
			elements(&tt.rule, add)
			hairpins(&tt.rule, add)
			slices.Sort(got)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Two endpoints of one service never share an id, nor do those for clients
// inside and outside.
func TestIdentity(t *testing.T) {
	taken := map[uint32]bool{}
	a := identity("a", portal, taken)
	b := identity("a", portal, taken)
	c := identity("a", outside, map[uint32]bool{})
	if a == b || a == c || a>>31 != 1 || b>>31 != 1 || c>>31 != 1 {
		t.Errorf("ids %x, %x and %x", a, b, c)
	}
}

// A class says the same to whoever reads it.
func TestClass(t *testing.T) {
	for _, tt := range []struct {
		class      class
		text, name string
	}{
		{newClass(portal, 5, 0, false), "0:5", "serve-5"},
		{newClass(external, 1, 0, true), "5:1", "serve-node-external-1"},
		{newClass(outside, maxSlots, 3*time.Hour, false), "2f82:7fff", "serve-outside-32767-10800s"},
		{refuse, "3:0", "refused"},
		{drop, "b:0", "dropped"},
	} {
		if tt.class.String() != tt.text || tt.class.chain() != tt.name {
			t.Errorf("class %v of chain %s, want %s of %s", tt.class, tt.class.chain(), tt.text, tt.name)
		}
	}
}

func TestAffinityTime(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: 0, time.Millisecond: time.Second, 59 * time.Second: 59 * time.Second, 20 * time.Minute: 20 * time.Minute,
		1201 * time.Second: 1230 * time.Second, 3 * time.Hour: 3 * time.Hour, 24 * time.Hour: 24 * time.Hour, 1000 * time.Hour: 88050 * time.Second,
	} {
		c := newClass(external, 3, d, true)
		if got := c.affinity(); got != want || c.slots() != 3 || c.kind() != external || !c.node() {
			t.Errorf("affinity %v is %v, want %v", d, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0-10.255.255.255", "192.0.2.64/26": "192.0.2.64-192.0.2.127", "192.0.2.1/32": "192.0.2.1-192.0.2.1",
		"fd00::/15": "fd00::-fd01:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00::8/125": "fd00::8-fd00::f",
	} {
		first, last := span(netip.MustParsePrefix(text))
		a, _ := netip.AddrFromSlice([]byte(first))
		b, _ := netip.AddrFromSlice([]byte(last))
		if got := a.String() + "-" + b.String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
