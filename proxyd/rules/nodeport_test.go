package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// open is here with node ports.
func open() Policy {
	p := here
	p.NodePorts = true
	return p
}

func TestNodePorts(t *testing.T) {
	const spec = "type: NodePort, clusterIP: 10.0.0.1, ports: [{port: 80, nodePort: 30080}]"
	const dual = "type: NodePort, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], ports: [{port: 80, nodePort: 30080}]"
	a := endpoints("a", "{port: 8080}", "10.1.0.1", "fd01::1")
	wildcard, one := open(), open()
	wildcard.Occupied = map[Frontend]bool{{netip.IPv4Unspecified(), registry.TCP, 30080}: true}
	one.Occupied = map[Frontend]bool{{netip.MustParseAddr("2001:db8::1"), registry.TCP, 30080}: true, {netip.MustParseAddr("198.51.100.1"), registry.UDP, 30080}: true}
	fewer := one
	fewer.NodePortAddrs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	runCases(t, []testCase{
		{
			name: "a process listens at an address that takes no node ports", manifests: service("a", dual), policy: fewer,
			want: []string{
				"0.0.0.0:30080/TCP ns/a external → refuse", "10.0.0.1:80/TCP ns/a → refuse", "[::]:30080/TCP ns/a external → refuse", "[fd00::1]:80/TCP ns/a → refuse",
			},
		}, {
			name:      "its own endpoint at an address that takes no node ports",
			manifests: service("a", spec) + endpoints("a", "{port: 30080}", "198.51.100.1"), policy: fewer,
			want: []string{"0.0.0.0:30080/TCP ns/a external → 198.51.100.1:30080", "10.0.0.1:80/TCP ns/a → 198.51.100.1:30080"},
		}, {
			name: "of the portal IP's family", manifests: service("a", spec) + a, policy: open(),
			want: []string{"0.0.0.0:30080/TCP ns/a external → 10.1.0.1:8080", "10.0.0.1:80/TCP ns/a → 10.1.0.1:8080"},
		}, {
			name: "of both families", manifests: service("a", dual) + a, policy: open(),
			want: []string{
				"0.0.0.0:30080/TCP ns/a external → 10.1.0.1:8080", "10.0.0.1:80/TCP ns/a → 10.1.0.1:8080",
				"[::]:30080/TCP ns/a external → [fd01::1]:8080", "[fd00::1]:80/TCP ns/a → [fd01::1]:8080",
			},
		}, {
			name: "without a portal IP", manifests: service("a", "type: NodePort, ports: [{port: 80, nodePort: 30080}]") + a, policy: open(),
			want: []string{"0.0.0.0:30080/TCP ns/a external → 10.1.0.1:8080", "[::]:30080/TCP ns/a external → [fd01::1]:8080"},
		}, {
			name: "switched off", manifests: service("a", spec) + a, policy: here,
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080"},
		}, {
			name: "of a load balancer's service, Local", policy: open(),
			manifests: service("a", "type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerSourceRanges: [10.0.0.0/8], ports: [{name: p, port: 80, nodePort: 30080}, {name: q, port: 81}]"),
			want:      []string{"0.0.0.0:30080/TCP ns/a:p external → refuse; outside → refuse", "[::]:30080/TCP ns/a:p external → refuse; outside → refuse"},
		}, {
			name: "a type that has none", policy: open(),
			manifests: service("a", "type: ClusterIP, clusterIP: 10.0.0.1, ports: [{port: 80, nodePort: 30080}]"),
			want:      []string{"10.0.0.1:80/TCP ns/a → refuse"},
		}, {
			name: "the first keeps it", policy: open(),
			manifests: service("b", "type: NodePort, clusterIP: 10.0.0.2, ports: [{port: 80, nodePort: 30080}]") + service("a", dual),
			want: []string{
				"0.0.0.0:30080/TCP ns/b external → refuse", "10.0.0.1:80/TCP ns/a → refuse", "10.0.0.2:80/TCP ns/b → refuse",
				"[::]:30080/TCP ns/a external → refuse", "[fd00::1]:80/TCP ns/a → refuse",
			},
			refused: []string{"ns/a: 0.0.0.0:30080/TCP: held by ns/b"},
		}, {
			name: "a process listens everywhere", manifests: service("a", dual), policy: wildcard,
			want: []string{
				"10.0.0.1:80/TCP ns/a → refuse", "[::]:30080/TCP ns/a external → refuse", "[fd00::1]:80/TCP ns/a → refuse",
			},
			refused: []string{"ns/a: 0.0.0.0:30080/TCP: a process of this node listens there"},
		}, {
			name: "a process listens at one of the node's addresses", manifests: service("a", dual), policy: one,
			want: []string{
				"0.0.0.0:30080/TCP ns/a external → refuse", "10.0.0.1:80/TCP ns/a → refuse", "[fd00::1]:80/TCP ns/a → refuse",
			},
			refused: []string{"ns/a: [::]:30080/TCP: a process of this node listens there"},
		}, {
			name:      "that serves itself",
			manifests: service("a", spec) + endpoints("a", "{port: 30080}", "198.51.100.1"), policy: open(),
			want:    []string{"10.0.0.1:80/TCP ns/a → 198.51.100.1:30080"},
			refused: []string{"ns/a: 0.0.0.0:30080/TCP: it is one of the service's own endpoints"},
		},
	})
}

func TestOwnFrontends(t *testing.T) {
	s := registrytest.Snapshot(t, service("a", "type: NodePort, clusterIP: 10.0.0.1, externalIPs: [192.0.2.1, 198.51.100.1], ports: [{port: 80, nodePort: 30080}]"))
	e := s.Spec(registry.Key{Namespace: "ns", Name: "a"})
	fewer := open()
	fewer.NodePortAddrs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	for policy, want := range map[*Policy]string{
		&fewer:      "[198.51.100.1:80/TCP 0.0.0.0:30080/TCP]",
		new(here):   "[198.51.100.1:80/TCP]",
		new(open()): "[198.51.100.1:80/TCP 0.0.0.0:30080/TCP 198.51.100.1:30080/TCP]",
		{}:          "[]",
	} {
		if diff := cmp.Diff(want, fmt.Sprint(policy.OwnFrontends(e))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestResolve(t *testing.T) {
	s := registrytest.Snapshot(t, service("a", "type: NodePort, clusterIP: 10.0.0.1, ports: [{port: 80, nodePort: 30080}]")+
		service("b", "externalIPs: [198.51.100.1], ports: [{port: 30080}]"))
	p := open()
	p.NodeAddrs = append(p.NodeAddrs, netip.MustParseAddr("198.51.100.2"))
	r := Compile(s, p)
	for to, want := range map[string]string{
		"198.51.100.1:30080":  "198.51.100.1:30080", // a frontend of its own
		"198.51.100.2:30080":  "0.0.0.0:30080",
		"[2001:db8::1]:30080": "[::]:30080", // which has no rule
		"203.0.113.1:30080":   "203.0.113.1:30080",
		"10.0.0.1:80":         "10.0.0.1:80",
	} {
		at, resolved := netip.MustParseAddrPort(to), netip.MustParseAddrPort(want)
		if got := r.Resolve(Frontend{at.Addr(), registry.TCP, at.Port()}); got != (Frontend{resolved.Addr(), registry.TCP, resolved.Port()}) {
			t.Errorf("%s: %v, want %s", to, got, want)
		}
	}
}

func TestHealthChecks(t *testing.T) {
	local := func(name string, port int, more string) string {
		return service(name, fmt.Sprintf("type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: %d, %s", port, more))
	}
	ports := "ports: [{name: p, port: 80}, {name: q, port: 81}]"
	two := sliceOf("a", "IPv4", located("10.1.0.1", "n1", "", isReady), located("10.1.0.2", "n1", "", isReady), located("10.1.0.1", "n1", "", isReady),
		located("10.1.0.3", "n2", "", isReady), located("10.1.0.4", "n1", "", isAway))
	tests := []struct {
		name, manifests string
		want            []HealthCheck
		refused         []string
	}{
		{"local and ready, each once", local("a", 31000, ports) + two, []HealthCheck{{31000, key("a"), 2}}, nil},
		{"none", local("a", 31000, ports), []HealthCheck{{31000, key("a"), 0}}, nil},
		{"not ready, but published", local("a", 31000, "publishNotReadyAddresses: true, "+ports) + two, []HealthCheck{{31000, key("a"), 3}}, nil},
		{"no port", local("a", 0, ports) + two, nil, nil},
		{"not Local", service("a", "type: LoadBalancer, healthCheckNodePort: 31000, "+ports), nil, nil},
		{"the first keeps it", local("b", 31000, ports) + local("a", 31000, ports) + local("c", 30000, ports),
			[]HealthCheck{{30000, key("c"), 0}, {31000, key("b"), 0}}, []string{"ns/a: healthCheckNodePort 31000: held by ns/b"}},
		{"a node port keeps it", local("a", 31000, ports) + service("b", "type: NodePort, clusterIP: 'fd00::1', ports: [{port: 80, nodePort: 31000}]"),
			nil, []string{"ns/a: healthCheckNodePort 31000: held by ns/b"}},
		{"a node port of another protocol doesn't", local("a", 31000, ports) + service("b", "type: NodePort, ports: [{port: 80, protocol: UDP, nodePort: 31000}]"),
			[]HealthCheck{{31000, key("a"), 0}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Compile(registrytest.Snapshot(t, tt.manifests), open())
			if diff := cmp.Diff(tt.want, r.HealthChecks()); diff != "" {
				t.Errorf("health checks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, refusals(r)); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
		})
	}
}

// What makes no difference to health checks can be told apart for nothing.
func TestHealthChecksDiffer(t *testing.T) {
	const spec = "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31000, " + port80
	one, other := located("10.1.0.1", "n1", "", isReady), located("10.1.0.2", "n2", "", isReady)
	s := registrytest.Snapshot(t, service("a", spec)+sliceOf("a", "IPv4", one))
	first := Compile(s, open())
	for _, tt := range []struct {
		name, manifest string
		differ         bool
	}{
		{"an endpoint elsewhere", sliceOf("a", "IPv4", one, other), false},
		{"an endpoint here", sliceOf("a", "IPv4", other), true},
		{"the service's address", service("a", "clusterIP: 10.0.0.1, "+spec), false},
		{"a node port", service("b", "type: NodePort, ports: [{port: 80, nodePort: 31000}]"), true},
		{"another's health check", service("b", strings.Replace(spec, "31000", "31001", 1)), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var changes []registry.Change
			for o := range registrytest.Snapshot(t, tt.manifest).Objects() {
				changes = append(changes, registry.Put(o))
			}
			next, c := s.Apply(9, changes...)
			if updated, _ := first.Update(next, c); updated.HealthChecksDiffer(first) != tt.differ {
				t.Errorf("differ: %v, want %v", !tt.differ, tt.differ)
			}
		})
	}
}

func key(name string) registry.Key { return registry.Key{Namespace: "ns", Name: name} }
