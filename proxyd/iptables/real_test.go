package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// both is the port of services in the lab, for TCP and UDP.
var both = []registry.Port{
	{Name: "tcp", Protocol: registry.TCP, Port: 80, TargetPort: "8080"},
	{Name: "udp", Protocol: registry.UDP, Port: 80, TargetPort: "8080"},
}

var labServices = []service{
	{name: "web", ports: both, portals: []string{"10.0.0.1", "fd00::1"}, publics: []string{"192.0.2.1", "2001:db8::1"},
		backends: []string{server1v4, server1v6, server2v4, server2v6}},
	{name: "self", ports: both, portals: []string{"10.0.0.2", "fd00::2"}, backends: []string{server1v4, server1v6}},
	{name: "empty", ports: both, portals: []string{"10.0.0.3", "fd00::3"}},
	{name: "sticky", ports: both, portals: []string{"10.0.0.4", "fd00::4"}, affinity: time.Hour,
		backends: []string{server1v4, server1v6, server2v4, server2v6}},
	{name: "own", ports: both, portals: []string{"10.0.0.5", "fd00::5"}, backends: []string{node4, node6}},
}

// mustSync carries out a world's rules in full.
func mustSync(t *testing.T, p *Proxier, w *world) {
	t.Helper()
	if err := p.Sync(t.Context(), w.rules, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// TestReal opens real connections over real rules.
func TestReal(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		w := newWorld(labServices...)
		p := l.proxier(t, Config{})
		mustSync(t, p, w)
		t.Run("reach all endpoints", l.testReach)
		t.Run("hairpin", l.testHairpin)
		t.Run("the node itself", l.testOwn)
		t.Run("public address", l.testPublic)
		t.Run("no endpoints", l.testRefused)
		t.Run("affinity", l.testAffinity)
		t.Run("change and delete", func(t *testing.T) { l.testChange(t, p, w) })
	})
}

func (l *lab) testReach(t *testing.T) {
	all4, all6 := map[string]bool{server1v4: true, server2v4: true}, map[string]bool{server1v6: true, server2v6: true}
	for _, from := range []string{"client", "node", "s1"} {
		for _, network := range []string{"tcp", "udp"} {
			if diff := cmp.Diff(all4, l.reached(t, from, network, "10.0.0.1:80")); diff != "" {
				t.Errorf("%s from %s, IPv4 (-want +got):\n%s", network, from, diff)
			}
			if diff := cmp.Diff(all6, l.reached(t, from, network, "[fd00::1]:80")); diff != "" {
				t.Errorf("%s from %s, IPv6 (-want +got):\n%s", network, from, diff)
			}
		}
	}
	if _, seen, err := l.ask(t, "client", "tcp", "10.0.0.1:80"); err != nil || seen != client4 {
		t.Errorf("the server sees %s (%v), want the client %s: no need to masquerade", seen, err, client4)
	}
}

func (l *lab) testHairpin(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for to, want := range map[string]string{"10.0.0.2:80": server1v4, "[fd00::2]:80": server1v6} {
			server, _, err := l.ask(t, "s1", network, to)
			if err != nil || server != want {
				t.Errorf("%s to %s reaches %q (%v), want %s", network, to, server, err, want)
			}
		}
	}
}

// testOwn reaches a server on the node by its portal IP.
func (l *lab) testOwn(t *testing.T) {
	for _, from := range []string{"node", "client"} {
		for _, network := range []string{"tcp", "udp"} {
			for to, want := range map[string]string{"10.0.0.5:80": node4, "[fd00::5]:80": node6} {
				server, _, err := l.ask(t, from, network, to)
				if err != nil || server != want {
					t.Errorf("%s from %s to %s reaches %q (%v), want %s", network, from, to, server, err, want)
				}
			}
		}
	}
}

func (l *lab) testPublic(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for _, to := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
			_, seen, err := l.ask(t, "client", network, to)
			if err != nil || seen == client4 || seen == client6 {
				t.Errorf("%s to %s: the server sees %q (%v), want the node", network, to, seen, err)
			}
		}
	}
}

func (l *lab) testRefused(t *testing.T) {
	for _, from := range []string{"client", "node"} {
		for _, network := range []string{"tcp", "udp"} {
			for _, to := range []string{"10.0.0.3:80", "[fd00::3]:80"} {
				if _, _, err := l.ask(t, from, network, to); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("%s from %s to %s: %v, want a refusal", network, from, to, err)
				}
			}
		}
	}
}

func (l *lab) testAffinity(t *testing.T) {
	for _, to := range []string{"10.0.0.4:80", "[fd00::4]:80"} {
		for _, network := range []string{"tcp", "udp"} {
			if got := l.reached(t, "client", network, to); len(got) != 1 {
				t.Errorf("%s to %s reaches %v, want one server only", network, to, got)
			}
		}
	}
}

func (l *lab) testChange(t *testing.T, p *Proxier, w *world) {
	step := func(to, want string) {
		t.Helper()
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
		server, _, err := l.ask(t, "client", "tcp", to)
		if want == "refused" && !errors.Is(err, syscall.ECONNREFUSED) || want != "refused" && (err != nil || server != want) {
			t.Errorf("%s: %q (%v), want %s", to, server, err, want)
		}
	}
	self := labServices[1]
	self.backends = []string{server2v4}
	w.put(self)
	step("10.0.0.2:80", server2v4)
	self.backends = nil
	w.put(self)
	step("10.0.0.2:80", "refused")
	self.backends = []string{server1v4}
	w.put(self)
	step("10.0.0.2:80", server1v4)
	sticky := labServices[3]
	sticky.backends = []string{server2v4}
	w.put(sticky)
	step("10.0.0.4:80", server2v4)
	web := labServices[0]
	web.backends = []string{server1v4}
	w.put(web)
	step("10.0.0.1:80", server1v4)
	w.remove("self", "empty", "sticky")
	step("10.0.0.1:80", server1v4)
	if text := l.save(t); strings.Contains(text, "10.0.0.2/32") || strings.Contains(text, "fd00::3") {
		t.Errorf("rules of deleted services are left:\n%s", text)
	}
}

// foreign are rules of somebody else, one of them with our mark and prefix in
// its text.
const foreign = `*nat
:MINE - [0:0]
-A PREROUTING -d 192.0.2.77/32 -p tcp -m tcp --dport 80 -m comment --comment "not SVCREG-SERVICES, \"mine\"" -j MINE
-A MINE -p tcp -j DNAT --to-destination 10.1.1.2:8080
-A POSTROUTING -s 10.99.0.0/16 -j MASQUERADE
COMMIT
*filter
:MINE - [0:0]
:SVC - [0:0]
-A INPUT -p tcp -m tcp --dport 9999 -j DROP
-A FORWARD -j MINE
-A MINE -m mark --mark 0x2000/0x2000 -j RETURN
COMMIT
`

func TestRealCleanupLeavesTheRest(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
			input := foreign
			if family == rules.IPv6 {
				input = strings.NewReplacer("192.0.2.77/32", "2001:db8::77/128", "10.1.1.2:8080", "[fd01::2]:8080", "10.99.0.0/16", "fd99::/16").Replace(foreign)
			}
			if err := l.kernel(t).Restore(t.Context(), family, []byte(input)); err != nil {
				t.Fatal(err)
			}
		}
		before := l.save(t)
		w := newWorld(labServices...)
		p := l.proxier(t, Config{ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd01::/16")}})
		mustSync(t, p, w)
		w.remove("web")
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, withoutOwn(l.save(t))); diff != "" {
			t.Errorf("a Sync touches rules of others (-before +after):\n%s", diff)
		}
		if _, err := l.kernel(t).cleanup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, l.save(t)); diff != "" {
			t.Errorf("Cleanup leaves a difference (-before +after):\n%s", diff)
		}
	})
}

// withoutOwn returns rules without the chains and jumps of ours.
func withoutOwn(save string) string {
	var kept []string
	for line := range strings.Lines(save) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, ":"+ownPrefix) && !strings.HasPrefix(line, "-A "+ownPrefix) && !strings.Contains(line, "j "+ownPrefix) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestRealRepair(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		w := newWorld(labServices...)
		spy := &spyKernel{Kernel: l.kernel(t)}
		p := NewWithKernel(Config{ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, spy, Features{IPv6: true, RandomFully: true, Legacy: l.backend == ModeLegacy})
		mustSync(t, p, w)
		want := l.save(t)
		for _, damage := range []string{
			"*nat\n-F SVCREG-SERVICES\nCOMMIT\n",
			"*nat\n-F PREROUTING\n-F OUTPUT\nCOMMIT\n*filter\n-F FORWARD\nCOMMIT\n",
			"*nat\n:SVCREG-0000000A-30 - [0:0]\n:SVCREG-STALE - [0:0]\n-A SVCREG-0000000A-30 -j SVCREG-STALE\nCOMMIT\n",
		} {
			if err := l.kernel(t).Restore(t.Context(), rules.IPv4, []byte(damage)); err != nil {
				t.Fatal(err)
			}
			mustSync(t, p, w)
			if diff := cmp.Diff(want, l.save(t)); diff != "" {
				t.Errorf("after %q (-want +got):\n%s", damage, diff)
			}
		}
		l.in(t, "node", nil, "iptables-"+l.backend, "-t", "nat", "-F")
		mustSync(t, p, w)
		if server, _, err := l.ask(t, "client", "tcp", "10.0.0.1:80"); err != nil {
			t.Errorf("after a flush: %q, %v", server, err)
		}

		spy.restores = nil
		mustSync(t, p, w)
		if len(spy.restores) > 0 {
			t.Errorf("a full Sync writes what stands already:\n%s", bytes.Join(spy.restores, nil))
		}
	})
}

// spyKernel counts reads, and notes what is restored; it may spoil it first.
type spyKernel struct {
	Kernel
	saves    int
	restores [][]byte
	spoil    func([]byte) []byte
}

func (k *spyKernel) Save(ctx context.Context, family rules.Family) ([]byte, error) {
	k.saves++
	return k.Kernel.Save(ctx, family)
}

func (k *spyKernel) Restore(ctx context.Context, family rules.Family, input []byte) error {
	if k.spoil != nil {
		input = k.spoil(input)
	}
	k.restores = append(k.restores, input)
	return k.Kernel.Restore(ctx, family, input)
}

func TestRealRefusedRule(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		spy := &spyKernel{Kernel: l.kernel(t), spoil: func(input []byte) []byte {
			return bytes.ReplaceAll(input, []byte("-d 10.0.0.2/32 -p tcp"), []byte("-d 10.0.0.2/32 -p tcp -m nosuchmatch"))
		}}
		p := NewWithKernel(Config{}, spy, Features{IPv6: true, RandomFully: true, Legacy: l.backend == ModeLegacy})
		err := p.Sync(t.Context(), newWorld(labServices...).rules, nil, nil)
		var rejected *rules.RejectedError
		if !errors.As(err, &rejected) || fmt.Sprint(rejected.Keys()) != "[my-ns/self]" {
			t.Fatalf("got %v, want a rejection of my-ns/self", err)
		}
		if !strings.Contains(err.Error(), "nosuchmatch") || !strings.Contains(err.Error(), "iptables-"+l.backend+"-restore") {
			t.Errorf("the error names neither command nor rule: %v", err)
		}
		if _, _, err := l.ask(t, "client", "tcp", "10.0.0.1:80"); err != nil {
			t.Errorf("another service of the same chain: %v", err)
		}
	})
}

func TestRealManyServices(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		services := append(many(2000, 2), labServices...)
		w := newWorld(services...)
		p := l.proxier(t, Config{})
		mustSync(t, p, w)
		if got := l.reached(t, "client", "tcp", "10.0.0.1:80"); len(got) != 2 {
			t.Errorf("reached %v, want both servers", got)
		}
		last := services[1999]
		last.backends = []string{server2v4}
		w.put(last)
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
		if server, _, err := l.ask(t, "client", "tcp", last.portals[0]+":80"); err != nil || server != server2v4 {
			t.Errorf("the last of 2000 services reaches %q (%v), want %s", server, err, server2v4)
		}
		for _, s := range services {
			w.remove(s.name)
		}
		mustSync(t, p, w)
		if n := strings.Count(l.save(t), "\n:"+ownPrefix); n > 6 {
			t.Errorf("%d chains of ours are left without services, want the base chains only", n)
		}
	})
}
