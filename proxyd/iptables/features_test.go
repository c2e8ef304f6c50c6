package iptables

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// twice returns the ports of services that are reached at a node port, too.
func twice(nodePort uint16) []registry.Port {
	ports := slices.Clone(both)
	for i := range ports {
		ports[i].NodePort = nodePort
	}
	return ports
}

// Server 1 runs on the node, server 2 on another one.
var spread2 = []string{server1v4 + "@here", server1v6 + "@here", server2v4 + "@there", server2v6 + "@there"}

// features are services that show one each, and where they are reached.
var features = []struct {
	service
	to []string
}{
	{service{name: "node port", ports: twice(30001), portals: []string{"10.0.0.1", "fd00::1"}, backends: spread2},
		[]string{"10.9.0.1:30001", "10.1.1.1:30001", "[fd09::1]:30001", "[fd01:1::1]:30001"}},
	{service{name: "node port, no endpoints", ports: twice(30002), portals: []string{"10.0.0.2", "fd00::2"}},
		[]string{"10.9.0.1:30002", "[fd09::1]:30002"}},
	{service{name: "Local from outside", ports: twice(30003), portals: []string{"10.0.0.3", "fd00::3"}, publics: []string{"192.0.2.3", "2001:db8::3"},
		externalLocal: true, backends: spread2}, []string{"10.0.0.3:80", "192.0.2.3:80", "[2001:db8::3]:80", "10.9.0.1:30003", "[fd09::1]:30003"}},
	{service{name: "Local from outside, none here", ports: twice(30004), portals: []string{"10.0.0.4", "fd00::4"}, publics: []string{"192.0.2.4", "2001:db8::4"},
		externalLocal: true, backends: spread2[2:]}, []string{"10.0.0.4:80", "192.0.2.4:80", "[2001:db8::4]:80", "10.9.0.1:30004"}},
	{service{name: "Local from inside", ports: both, portals: []string{"10.0.0.5", "fd00::5"}, publics: []string{"192.0.2.5"}, internalLocal: true, backends: spread2},
		[]string{"10.0.0.5:80", "[fd00::5]:80", "192.0.2.5:80"}},
	{service{name: "Local from inside, none here", ports: both, portals: []string{"10.0.0.6", "fd00::6"}, internalLocal: true, backends: spread2[2:]},
		[]string{"10.0.0.6:80", "[fd00::6]:80"}},
	{service{name: "source ranges", ports: twice(30007), portals: []string{"10.0.0.7"}, balanced: []string{"192.0.2.7", "2001:db8::7"},
		sources: []string{"10.9.0.0/30", "fd09::/64", "203.0.113.0/24"}, backends: spread2},
		[]string{"10.0.0.7:80", "192.0.2.7:80", "[2001:db8::7]:80", "10.9.0.1:30007"}},
	{service{name: "source ranges, Local, affinity", ports: both, balanced: []string{"192.0.2.8", "2001:db8::8"}, externalLocal: true, affinity: time.Hour,
		sources: []string{"10.9.0.2/32", "fd09::2/128"}, backends: spread2}, []string{"192.0.2.8:80", "[2001:db8::8]:80"}},
	{service{name: "source ranges, no endpoints", ports: both, balanced: []string{"192.0.2.9", "2001:db8::9"}, sources: []string{"10.1.0.0/16", "fd01:1::/64"}},
		[]string{"192.0.2.9:80", "[2001:db8::9]:80"}},
	{service{name: "a load balancer's address", ports: both, balanced: []string{"192.0.2.10", "2001:db8::10"}, backends: spread2},
		[]string{"192.0.2.10:80", "[2001:db8::10]:80"}},
	{service{name: "an endpoint to itself", ports: twice(30011), portals: []string{"10.0.0.11", "fd00::11"}, externalLocal: true, backends: spread2[:2]},
		[]string{"10.0.0.11:80", "[fd00::11]:80", "10.9.0.1:30011"}},
	{service{name: "going away, the last resort", ports: both, portals: []string{"10.0.0.12", "fd00::12"},
		backends: []string{server1v4 + "!leaving", server1v6 + "!leaving", server2v4 + "!unready"}}, []string{"10.0.0.12:80", "[fd00::12]:80"}},
	{service{name: "going away, others serve", ports: both, portals: []string{"10.0.0.13", "fd00::13"},
		backends: []string{server1v4 + "!leaving", server1v6 + "!leaving", server2v4, server2v6}}, []string{"10.0.0.13:80", "[fd00::13]:80"}},
	{service{name: "not ready, published", ports: both, portals: []string{"10.0.0.14"}, publishNotReady: true, backends: []string{server1v4 + "!unready"}},
		[]string{"10.0.0.14:80"}},
	{service{name: "not ready", ports: both, portals: []string{"10.0.0.15"}, backends: []string{server1v4 + "!unready"}}, []string{"10.0.0.15:80"}},
	{service{name: "weights, affinity", ports: twice(30016), portals: []string{"10.0.0.16", "fd00::16"}, affinity: time.Hour,
		weights: server1v4 + "=3," + server1v6 + "=0", backends: spread2}, []string{"10.0.0.16:80", "[fd00::16]:80", "10.9.0.1:30016"}},
	{service{name: "the node's own address", ports: both, publics: []string{node4, node6}, backends: spread2}, []string{"10.9.0.1:80", "[fd09::1]:80"}},
}

// TestRealFeatures sends packets of every sort of client to services with every
// feature: what becomes of them is what the rules say.
func TestRealFeatures(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		// Refusals come at a limited rate otherwise.
		l.in(t, "node", nil, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit")
		w := newWorld(many(100, 2)...) // so that trees have branches
		p := l.proxier(t, Config{ClusterCIDRs: pods})
		mustSync(t, p, w)
		var all []service
		for _, f := range features {
			all = append(all, f.service)
		}
		w.put(all...)
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
		for _, f := range features {
			t.Run(f.name, func(t *testing.T) {
				for _, to := range f.to {
					for _, from := range []string{"client", "s1", "node"} {
						l.check(t, w.rules, from, registry.TCP, to)
						l.check(t, w.rules, from, registry.UDP, to)
					}
				}
			})
		}
		stands := l.save(t)
		mustSync(t, l.proxier(t, Config{ClusterCIDRs: pods}), w)
		if diff := cmp.Diff(stands, l.save(t)); diff != "" {
			t.Errorf("a restart changes (-before +after):\n%s", diff)
		}
		t.Run("affinity", func(t *testing.T) { l.testStays(t, p, w) })
		t.Run("--nodeport-addresses", func(t *testing.T) { l.testNodePortAddrs(t, w) })
		if _, err := l.kernel(t).cleanup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := l.save(t); left != withoutOwn(left) {
			t.Errorf("after a cleanup:\n%s", left)
		}
	})
}

// hosts are the addresses that the lab's hosts connect from.
var hosts = map[string][2]string{"client": {client4, client6}, "s1": {server1v4, server1v6}, "node": {node4, node6}}

// check opens a connection, and compares what happens with what the rules say.
func (l *lab) check(t *testing.T, r *rules.Ruleset, from string, protocol registry.Protocol, to string) {
	t.Helper()
	at := netip.MustParseAddrPort(to)
	client := hosts[from][1]
	if at.Addr().Is4() {
		client = hosts[from][0]
	}
	v := rules.Trace(r, netip.MustParseAddr(client), rules.Frontend{Addr: at.Addr(), Protocol: protocol, Port: at.Port()})
	wait := patience
	if v.Fate == rules.Dropped {
		wait = 100 * time.Millisecond
	}
	network := map[registry.Protocol]string{registry.TCP: "tcp", registry.UDP: "udp"}[protocol]
	server, seen, err := l.askWithin(t, from, network, to, wait)
	right := false
	switch v.Fate {
	case rules.Sent:
		right = err == nil && slices.ContainsFunc(v.To, func(hop rules.Hop) bool {
			return hop.Addr().String() == server && (from == "node" || hop.Masqueraded == (seen != client))
		})
	case rules.Refused:
		right = errors.Is(err, syscall.ECONNREFUSED)
	case rules.Dropped:
		right = err != nil && !errors.Is(err, syscall.ECONNREFUSED)
	}
	if !right {
		t.Errorf("%s from %s to %s: %q sees %q, %v; want it %v", network, from, to, server, seen, err, v)
	}
}

// testStays looks at how long a client stays with its server, whichever of the
// service's addresses it takes, and that it doesn't with one that went away.
func (l *lab) testStays(t *testing.T, p *Proxier, w *world) {
	sticky := service{name: "sticky", ports: twice(30020), portals: []string{"10.0.0.20", "fd00::20"}, backends: spread2, affinity: time.Hour}
	put := func() {
		t.Helper()
		w.put(sticky)
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for portal, nodePort := range map[string]string{"10.0.0.20:80": "10.9.0.1:30020", "[fd00::20]:80": "[fd09::1]:30020"} {
		for _, network := range []string{"tcp", "udp"} {
			first := l.reached(t, "client", network, portal)
			if diff := cmp.Diff(first, l.reached(t, "client", network, nodePort)); len(first) != 1 || diff != "" {
				t.Errorf("%s to %s reaches %v, and at %s (-portal +node port):\n%s", network, portal, first, nodePort, diff)
			}
		}
	}
	first := l.reached(t, "client", "tcp", "10.0.0.20:80")
	sticky.backends = slices.DeleteFunc(slices.Clone(spread2), func(b string) bool {
		addr, _, _ := strings.Cut(b, "@")
		return first[addr]
	})
	put()
	if now := l.reached(t, "client", "tcp", "10.0.0.20:80"); len(now) != 1 || fmt.Sprint(now) == fmt.Sprint(first) {
		t.Errorf("%v went away; now %v", first, now)
	}
	sticky.backends, sticky.affinity = spread2, time.Second
	put()
	seen := map[string]bool{}
	for deadline := time.Now().Add(patience); len(seen) < 2 && time.Now().Before(deadline); time.Sleep(1500 * time.Millisecond) {
		server, _, err := l.ask(t, "client", "tcp", "10.0.0.20:80")
		if err != nil {
			t.Fatal(err)
		}
		seen[server] = true
	}
	if len(seen) != 2 {
		t.Errorf("after its time a client still stays: %v", seen)
	}
}

// testNodePortAddrs opens node ports on one network's addresses only: on others
// the node answers as it would by itself.
func (l *lab) testNodePortAddrs(t *testing.T, w *world) {
	mustSync(t, l.proxier(t, Config{ClusterCIDRs: pods, NodePortAddrs: networks("10.9.0.0/24,fd01:1::/64")}), w)
	for _, network := range []string{"tcp", "udp"} {
		for _, to := range []string{"10.9.0.1:30001", "[fd01:1::1]:30001"} {
			if _, _, err := l.ask(t, "client", network, to); err != nil {
				t.Errorf("%s to %s: %v", network, to, err)
			}
		}
		for _, to := range []string{"10.1.1.1:30001", "[fd09::1]:30001"} {
			if server, _, err := l.ask(t, "client", network, to); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s to %s: %q, %v; want nobody there", network, to, server, err)
			}
		}
	}
	// A process there is reached.
	l.serveAt(t, "node", "10.1.1.1", "30002")
	if server, _, err := l.ask(t, "client", "tcp", "10.1.1.1:30002"); server != "10.1.1.1" {
		t.Errorf("a process at an address without node ports: %q, %v", server, err)
	}
}
