package proxyd

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// frontend parses a TCP frontend.
func frontend(s string) rules.Frontend {
	at := netip.MustParseAddrPort(s)
	return rules.Frontend{Addr: at.Addr(), Protocol: registry.TCP, Port: at.Port()}
}

func (w *world) has(what string, f rules.Frontend, want bool) {
	w.t.Helper()
	if _, ok := w.kernel.rules.Lookup(f); ok != want {
		w.t.Errorf("%s: %v in the kernel: %v, want %v", what, f, ok, want)
	}
}

func (w *world) logged(text string, want int) {
	w.t.Helper()
	if n := strings.Count(w.log.String(), text); n != want {
		w.t.Errorf("the log says %q %d times, want %d:\n%s", text, n, want, w.log.String())
	}
}

// A public address of the node is honoured as long as the node has it.
func TestPublicAddressFollowsTheNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		public, addr := frontend("192.0.2.1:80"), netip.MustParseAddr("192.0.2.1")
		w.write(service("first", "10.0.0.1", "TCP", "192.0.2.1"))
		w.pass(time.Second)
		w.has("not the node's", public, false)
		w.logged("address refused\"", 1)
		w.inbox.move([]netip.Addr{addr})
		w.pass(time.Second)
		w.has("the node's", public, true)
		w.logged("address refused no more", 1)
		w.inbox.move(nil)
		w.pass(time.Second)
		w.has("not the node's any more", public, false)
		w.logged("address refused\"", 2)
	})
}

// A port on which a process listens is the process's, before and after.
func TestPortsOfProcessesAreLeftAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		public := frontend("192.0.2.1:80")
		asked := 0
		free := func() (sockets, error) { asked++; return listeners{}, nil }
		taken := func() (sockets, error) {
			asked++
			return listeners{public: true}, nil
		}
		w.listen(free)
		w.inbox.move([]netip.Addr{public.Addr})
		w.write(service("first", "10.0.0.1", "TCP"))
		w.pass(time.Minute)
		if asked != 0 {
			t.Errorf("asked %d times for sockets that matter to nobody", asked)
		}
		w.listen(taken)
		w.write(service("first", "10.0.0.1", "TCP", "192.0.2.1"))
		w.pass(time.Second)
		w.has("taken from the start", public, false)
		w.logged("a process of this node listens there", 1)
		w.listen(free)
		w.pass(recheckPeriod)
		w.has("free again", public, true)
		w.listen(taken)
		w.pass(recheckPeriod)
		w.has("taken again", public, false)
		w.listen(func() (sockets, error) { return listeners{}, errors.New("no /proc") })
		w.kernel.took()
		w.pass(recheckPeriod)
		w.want("nobody can tell")
		w.has("nobody can tell", public, false)
	})
}

// Looking at sockets programs nothing if they are as they were.
func TestRecheckIsCheap(t *testing.T) {
	inWorld(t, func(w *world) {
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
		w.write(service("first", "10.0.0.1", "TCP", "192.0.2.1"))
		w.pass(time.Second)
		w.kernel.took()
		w.pass(5*recheckPeriod - recheckPeriod/2)
		w.want("five looks")
		none := 0
		w.listen(func() (sockets, error) { none++; return listeners{}, nil })
		w.write(service("second", "10.0.0.2", "TCP"))
		w.pass(time.Second)
		if none != 0 {
			t.Errorf("asked %d times for sockets that the change is not about", none)
		}
		w.write(gone(registry.KindService, "first"))
		w.pass(time.Second)
		w.kernel.took()
		asked := 0
		w.listen(func() (sockets, error) { asked++; return listeners{}, nil })
		w.pass(5 * recheckPeriod)
		if asked != 0 {
			t.Errorf("asked %d times for sockets of a service that is gone", asked)
		}
	})
}

// A refusal is told once, not with every sync.
func TestRefusalsAreToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.write(service("second", "10.0.0.1", "TCP"))
		w.pass(time.Second)
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(2 * fullPeriod)
		w.logged("held by ns/first", 1)
		if n := gaugeValue(t, w.metrics, "proxyd_refusals"); n != 1 {
			t.Errorf("proxyd_refusals %v, want 1", n)
		}
		w.write(gone(registry.KindService, "first"))
		w.pass(time.Second)
		w.logged("address refused no more", 1)
		if n := gaugeValue(t, w.metrics, "proxyd_refusals"); n != 0 {
			t.Errorf("proxyd_refusals %v, want 0", n)
		}
	})
}

// A node port is the service's unless a process listens at it.
func TestNodePortsOfProcessesAreLeftAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.policy.NodePorts = true
		port := frontend("0.0.0.0:30080")
		w.listen(func() (sockets, error) { return listeners{frontend("192.0.2.1:30080"): true}, nil })
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
		w.write(withNodePort("first", "10.0.0.1", "TCP", 30080))
		w.pass(time.Second)
		w.has("taken", port, false)
		w.logged("a process of this node listens there", 1)
		w.listen(func() (sockets, error) { return listeners{}, nil })
		w.pass(recheckPeriod)
		w.has("free", port, true)
	})
}

// withNodePort is service with a node port.
func withNodePort(name, portal string, protocol registry.Protocol, port uint16) registry.Change {
	change := service(name, portal, protocol)
	s := change.Object.(*registry.Service)
	s.Type, s.Ports[0].NodePort = registry.NodePort, port
	return change
}

// Where nobody says which zone the node is in, its Node object does.
func TestZoneOfTheNode(t *testing.T) {
	near := registry.Put(&registry.Endpoints{
		Meta: registry.Meta{Kind: registry.KindEndpoints, Key: key("first")}, Service: key("first"),
		Subsets: []registry.Subset{{
			Ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: 8080}},
			Endpoints: []registry.Endpoint{
				{Addr: netip.MustParseAddr("10.1.0.1"), Zone: "a", Ready: true}, {Addr: netip.MustParseAddr("10.1.0.2"), Zone: "b", Ready: true},
			},
		}},
	})
	first := service("first", "10.0.0.1", "TCP")
	first.Object.(*registry.Service).TrafficDistribution = "PreferClose"
	inZone := func(zone string) registry.Change {
		return registry.Put(&registry.Node{Meta: registry.Meta{Kind: registry.KindNode, Key: registry.Key{Name: "n1"}}, Zone: zone})
	}
	for _, tt := range []struct{ name, flag, before, after string }{
		{"no flag", "", "10.1.0.1:8080", "10.1.0.2:8080"},
		{"a flag", "b", "10.1.0.2:8080", "10.1.0.2:8080"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				c := Config{NodeName: "N1", NodeZone: tt.flag}
				p, err := c.policy()
				if err != nil {
					t.Fatal(err)
				}
				w.policy.Policy, w.policy.anyZone = p.Policy, p.anyZone
				serves := func(want string) {
					t.Helper()
					rule, _ := w.kernel.rules.Lookup(frontend("10.0.0.1:80"))
					if rule.Target.String() != want {
						t.Errorf("served by %v, want %s", rule.Target, want)
					}
				}
				w.write(inZone("a"), first, near)
				w.pass(time.Second)
				serves(tt.before)
				w.write(inZone("b"))
				w.pass(time.Second)
				serves(tt.after)
			})
		})
	}
}

// What is wrong with a service but not with one of its addresses is told too.
func TestRefusedSettings(t *testing.T) {
	inWorld(t, func(w *world) {
		heavy := service("first", "10.0.0.1", "TCP")
		heavy.Object.Metadata().Annotations = map[string]string{rules.WeightsAnnotation: "10.1.0.1=heavy"}
		w.write(heavy)
		w.pass(time.Second)
		w.has("the service", frontend("10.0.0.1:80"), true)
		w.logged(`msg="setting refused" service=ns/first reason="annotation svcreg.io/weights: `, 1)
		w.write(service("first", "10.0.0.1", "TCP"))
		w.pass(time.Second)
		w.logged(`msg="setting refused no more" service=ns/first`, 1)
	})
}
