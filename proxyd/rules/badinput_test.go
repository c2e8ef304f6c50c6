package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// What no decoder lets through, a registry could still hold.
func TestImpossiblePorts(t *testing.T) {
	s := &registry.Service{
		Meta: registry.Meta{Kind: registry.KindService, Key: key("a")}, Type: registry.NodePort,
		PortalIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Ports: []registry.Port{
			{Name: "zero", Protocol: registry.TCP, NodePort: 30000},
			{Name: "strange", Protocol: "QUIC", Port: 80, NodePort: 30000},
			{Name: "lower", Protocol: "tcp", Port: 80},
			{Name: "none", Port: 80},
			{Name: "good", Protocol: registry.TCP, Port: 80},
			{Name: "again", Protocol: registry.TCP, Port: 80},
		},
	}
	e := &registry.Endpoints{
		Meta: registry.Meta{Kind: registry.KindEndpoints, Key: key("a")}, Service: key("a"),
		Subsets: []registry.Subset{{
			Ports: []registry.EndpointPort{{Name: "good", Protocol: registry.TCP}, {Name: "again", Protocol: registry.TCP, Port: 8080}},
			Endpoints: []registry.Endpoint{
				{Addr: netip.MustParseAddr("10.1.0.1"), Ready: true},
				{Addr: netip.MustParseAddr("::ffff:10.1.0.1"), Ready: true}, {Host: "db.example.org", Ready: true},
			},
		}},
	}
	r := Compile(registry.Build(1, s, e), open())
	want := []string{"0.0.0.0:30000/TCP ns/a:zero external → refuse", "10.0.0.1:80/TCP ns/a:good → refuse"}
	if diff := cmp.Diff(want, texts(r)); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	want = []string{
		"ns/a: endpoint 10.1.0.1:0: port 0; nothing is sent there (and 1 more)",
		`ns/a: 0.0.0.0:30000/QUIC: protocol "QUIC": want TCP, UDP or SCTP`,
		`ns/a: 10.0.0.1:80/: protocol "": want TCP, UDP or SCTP`,
		`ns/a: 10.0.0.1:80/QUIC: protocol "QUIC": want TCP, UDP or SCTP`,
		"ns/a: 10.0.0.1:0/TCP: port 0: want 1 to 65535",
		`ns/a: 10.0.0.1:80/tcp: protocol "tcp": want TCP, UDP or SCTP`,
	}
	if diff := cmp.Diff(want, refusals(r)); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}

func TestBadInput(t *testing.T) {
	namespace, name, port := strings.Repeat("n", 63), "a"+strings.Repeat("-9", 31), "p"+strings.Repeat("-p", 7)
	runCases(t, []testCase{
		{
			name:      "endpoints that are the service's own portal IP",
			manifests: service("a", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], "+port80) + endpoints("a", "{port: 80}", "10.0.0.1", "10.1.0.1"),
			policy:    here,
			want:      []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:80", "192.0.2.1:80/TCP ns/a external → 10.1.0.1:80"},
			refused:   []string{"ns/a: endpoint 10.0.0.1:80: the service's own portal IP; nothing is sent there"},
		}, {
			name: "endpoints that are, or could be, another service's portal IP",
			manifests: "---\n{kind: ServiceCIDR, apiVersion: networking.k8s.io/v1, metadata: {name: kubernetes}, spec: {cidrs: [10.0.0.0/24, 'fd00::/112']}}\n" +
				service("a", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], "+port80) + endpoints("a", "{port: 80}", "10.0.0.2", "10.0.0.3", "fd00::5", "0.1.2.3", "10.1.0.1") +
				service("b", "clusterIP: 10.0.0.2, "+port80) + endpoints("b", "{port: 80}", "10.0.0.1"),
			policy: here,
			want:   []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:80", "10.0.0.2:80/TCP ns/b → refuse", "192.0.2.1:80/TCP ns/a external → 10.1.0.1:80"},
			refused: []string{
				"ns/a: endpoint 10.0.0.2:80: an address of the portal network 10.0.0.0/24; nothing is sent there (and 3 more)",
				"ns/b: endpoint 10.0.0.1:80: an address of the portal network 10.0.0.0/24; nothing is sent there",
			},
		}, {
			name:      "an endpoint that isn't ready needs no word",
			manifests: service("a", "clusterIP: 10.0.0.1, "+port80) + slice("a", "a-1", "127.0.0.1", "ready: false"),
			want:      []string{"10.0.0.1:80/TCP ns/a → refuse"},
		}, {
			name:      "an address family without endpoints",
			manifests: service("a", "clusterIP: 'fd00::1', "+port80) + endpoints("a", "{port: 80}", "10.1.0.1"),
			want:      []string{"[fd00::1]:80/TCP ns/a → refuse"},
		}, {
			name: "duplicates: addresses, slices, endpoints",
			manifests: service("a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.1], externalIPs: [192.0.2.1, 192.0.2.1, '::ffff:192.0.2.1'], "+port80) +
				sliceOf("a", "IPv4", located("10.1.0.1", "", "", isUnwell), located("10.1.0.1", "", "", isReady)) + slice("a", "a-2", "10.1.0.1", isAway),
			policy: here,
			want:   []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080", "192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080"},
		}, {
			name: "names at their longest",
			manifests: fmt.Sprintf("---\n{kind: Service, apiVersion: v1, metadata: {namespace: %s, name: %s}, spec: {clusterIP: 10.0.0.1, ports: [{name: %s, port: 80}]}}\n",
				namespace, name, port),
			want: []string{"10.0.0.1:80/TCP " + namespace + "/" + name + ":" + port + " → refuse"},
		},
	})
}

// An address that stands there in two forms counts once, as the better of both.
func TestAddressInTwoForms(t *testing.T) {
	s := &registry.Service{
		Meta: registry.Meta{Kind: registry.KindService, Key: key("a")}, Ports: []registry.Port{{Protocol: registry.TCP, Port: 80}},
		PortalIPs: []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")}, PublicIPs: []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1")}, ExternalLocal: true,
	}
	e := &registry.Endpoints{
		Meta: registry.Meta{Kind: registry.KindEndpoints, Key: key("a")}, Service: key("a"),
		Subsets: []registry.Subset{{
			Ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: 8080}},
			Endpoints: []registry.Endpoint{
				{Addr: netip.MustParseAddr("10.1.0.1"), Serving: true, Terminating: true}, {Addr: netip.MustParseAddr("::ffff:10.1.0.1"), Ready: true},
				{Addr: netip.MustParseAddr("10.1.0.2"), Ready: true}, {Addr: netip.MustParseAddr("::ffff:10.1.0.2"), Ready: true, Node: "n1"},
			},
		}},
	}
	want := []string{
		"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080 10.1.0.2:8080",
		"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080 10.1.0.2:8080; outside → 10.1.0.2:8080",
	}
	if diff := cmp.Diff(want, texts(Compile(registry.Build(1, s, e), here))); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// A service that asks for the same address, or for the same wrong one, again
// and again gets it once, and is told once.
func TestManyFrontends(t *testing.T) {
	s := &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: key("a")}, Ports: []registry.Port{{Protocol: registry.TCP, Port: 80}}}
	for range 3 {
		for i := range byte(60) {
			s.PublicIPs = append(s.PublicIPs, netip.AddrFrom4([4]byte{192, 0, 2, i}), netip.AddrFrom4([4]byte{203, 0, 113, i}))
		}
	}
	r := Compile(registry.Build(1, s), here)
	if r.Len() != 60 || len(r.Refusals()) != 60 {
		t.Errorf("%d rules and %d refusals, want 60 of each", r.Len(), len(r.Refusals()))
	}
}

// One service with 5,000 endpoints has them all, sorted.
func TestManyEndpoints(t *testing.T) {
	k := key("a")
	service := benchService(0, 0, 0)[0].(*registry.Service)
	service.Key = k
	e := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: k}, Service: k, Subsets: []registry.Subset{{Ports: []registry.EndpointPort{{Name: "http", Protocol: registry.TCP, Port: 8080}}}}}
	for i := range 5000 {
		addr := netip.AddrFrom4([4]byte{10, 1, byte(i * 7 >> 8), byte(i * 7)})
		e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, registry.Endpoint{Addr: addr, Ready: true})
	}
	r := Compile(registry.Build(1, service, e), Policy{})
	for rule := range r.Rules() {
		if !slices.IsSortedFunc(rule.Backends, func(a, b Backend) int { return a.AddrPort.Compare(b.AddrPort) }) {
			t.Error("the backends are not sorted")
		}
		if len(rule.Backends) != 5000 || rule.Slots() != 5000 {
			t.Errorf("%d backends in %d slots, want 5000", len(rule.Backends), rule.Slots())
		}
		if last := rule.Backends[4999].AddrPort; !rule.Sends(last) || rule.Sends(netip.AddrPortFrom(last.Addr(), 1)) {
			t.Error("Sends has the backends wrong")
		}
	}
}
