package rules

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func texts(r *Ruleset) []string {
	var all []string
	for rule := range r.Rules() {
		all = append(all, rule.String())
	}
	return all
}

func refusals(r *Ruleset) []string {
	var all []string
	for _, refusal := range r.Refusals() {
		all = append(all, refusal.String())
	}
	return all
}

// service returns the manifest of a service in namespace ns.
func service(name, spec string) string {
	return fmt.Sprintf("---\n{kind: Service, apiVersion: v1, metadata: {namespace: ns, name: %s}, spec: {%s}}\n", name, spec)
}

// endpoints returns the manifest of a service's endpoints, all at one port.
func endpoints(name, port string, addresses ...string) string {
	ips := ""
	for _, a := range addresses {
		ips += fmt.Sprintf("{ip: %q},", a)
	}
	return fmt.Sprintf("---\n{kind: Endpoints, apiVersion: v1, metadata: {namespace: ns, name: %s}, subsets: [{addresses: [%s], ports: [%s]}]}\n", name, ips, port)
}

// slice returns the manifest of an EndpointSlice with one endpoint.
func slice(service, name, address, conditions string) string {
	return fmt.Sprintf("---\n{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: IPv4, metadata: {namespace: ns, name: %s, labels: {kubernetes.io/service-name: %s}}, "+
		"ports: [{name: '', port: 8080, protocol: TCP}], endpoints: [{addresses: [%s], conditions: {%s}}]}\n", name, service, address, conditions)
}

// testCase is a registry with all the rules and refusals that it comes to.
type testCase struct {
	name      string
	manifests string
	policy    Policy
	want      []string
	refused   []string
}

func runCases(t *testing.T, tests []testCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Compile(registrytest.Snapshot(t, tt.manifests), tt.policy)
			if diff := cmp.Diff(tt.want, texts(r)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, refusals(r)); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
			if r.Len() != len(tt.want) {
				t.Errorf("Len is %d, want %d", r.Len(), len(tt.want))
			}
		})
	}
}

const port80 = "ports: [{port: 80}]"

func TestCompile(t *testing.T) {
	public := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, NodeAddrs: []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")}}
	occupied := public
	occupied.Occupied = map[Frontend]bool{
		{netip.MustParseAddr("192.0.2.1"), registry.TCP, 80}: true,
		{netip.IPv4Unspecified(), registry.TCP, 81}:          true,
		{netip.IPv6Unspecified(), registry.TCP, 82}:          true,
		{netip.IPv4Unspecified(), registry.UDP, 80}:          true,
	}
	runCases(t, []testCase{
		{
			name: "portal IP, endpoints sorted and once",
			manifests: service("a", "clusterIP: 10.0.0.1, "+port80) +
				endpoints("a", "{port: 8080}", "10.1.0.2", "10.1.0.1", "10.1.0.2"),
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080 10.1.0.2:8080"},
		}, {
			name:      "no endpoints",
			manifests: service("a", "clusterIP: 10.0.0.1, "+port80),
			want:      []string{"10.0.0.1:80/TCP ns/a → refuse"},
		}, {
			name: "several ports and protocols",
			manifests: service("a", "clusterIP: 10.0.0.1, ports: [{name: p, port: 80}, {name: q, port: 53, protocol: UDP}, {name: r, port: 7, protocol: SCTP}]") +
				endpoints("a", "{name: p, port: 8080}, {name: q, port: 5353, protocol: UDP}, {name: r, port: 7, protocol: SCTP}", "10.1.0.1"),
			want: []string{
				"10.0.0.1:7/SCTP ns/a:r → 10.1.0.1:7",
				"10.0.0.1:80/TCP ns/a:p → 10.1.0.1:8080",
				"10.0.0.1:53/UDP ns/a:q → 10.1.0.1:5353",
			},
		}, {
			name: "dual-stack: each family has its own endpoints",
			manifests: service("a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], "+port80) +
				endpoints("a", "{port: 8080}", "10.1.0.1", "fd01::1"),
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080", "[fd00::1]:80/TCP ns/a → [fd01::1]:8080"},
		}, {
			name: "headless and ExternalName have no frontends",
			manifests: service("a", "clusterIP: None, externalIPs: [192.0.2.1], "+port80) +
				service("b", "type: ExternalName, externalName: example.org, externalIPs: [192.0.2.1], "+port80),
			policy: public,
		}, {
			name: "ExternalName with a portal IP and ports is as others",
			manifests: service("a", "type: ExternalName, externalName: example.org, clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], "+port80) + slice("a", "a-1", "10.1.0.1", "ready: true") +
				service("b", "type: ExternalName, externalName: example.org, clusterIP: 10.0.0.2"),
			policy: public,
			want:   []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080", "192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080"},
		}, {
			name: "affinity",
			manifests: service("a", "clusterIP: 10.0.0.1, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, "+port80) +
				endpoints("a", "{port: 8080}", "10.1.0.1"),
			want: []string{"10.0.0.1:80/TCP ns/a affinity 1m0s → 10.1.0.1:8080"},
		}, {
			name: "endpoints that nothing may be sent to",
			manifests: service("a", "clusterIP: 10.0.0.1, "+port80) +
				endpoints("a", "{port: 8080}", "127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "::1", "fe80::1", "ff02::1", "10.1.0.1"),
			want:    []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080"},
			refused: []string{"ns/a: endpoint 127.0.0.1:8080: a loopback address; nothing is sent there (and 6 more)"},
		}, {
			name: "not ready endpoints",
			manifests: service("a", "clusterIP: 10.0.0.1, "+port80) +
				slice("a", "a-1", "10.1.0.1", "ready: true") + slice("a", "a-2", "10.1.0.2", "ready: false") +
				slice("a", "a-3", "10.1.0.3", "ready: false, serving: true, terminating: true"),
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080"},
		}, {
			name: "endpoints that are going away are the last resort",
			manifests: service("a", "clusterIP: 10.0.0.1, "+port80) +
				slice("a", "a-2", "10.1.0.2", "ready: false") + slice("a", "a-4", "10.1.0.4", "ready: false, serving: false, terminating: true") +
				slice("a", "a-3", "10.1.0.3", "ready: false, serving: true, terminating: true"),
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.3:8080"},
		}, {
			name: "publishNotReadyAddresses",
			manifests: service("a", "clusterIP: 10.0.0.1, publishNotReadyAddresses: true, "+port80) +
				slice("a", "a-2", "10.1.0.2", "ready: false"),
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.2:8080"},
		}, {
			name: "public addresses: in range, the node's own, and neither",
			manifests: service("a", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1, 198.51.100.1, '2001:db8::1', 203.0.113.1], "+port80) +
				endpoints("a", "{port: 8080}", "10.1.0.1"),
			policy: public,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080",
				"198.51.100.1:80/TCP ns/a external → 10.1.0.1:8080",
				"[2001:db8::1]:80/TCP ns/a external → refuse",
			},
			refused: []string{"ns/a: 203.0.113.1:80/TCP: not in the public ranges of this node, nor one of its addresses"},
		}, {
			name:      "no ranges: public addresses are refused",
			manifests: service("a", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], "+port80),
			want:      []string{"10.0.0.1:80/TCP ns/a → refuse"},
			refused:   []string{"ns/a: 192.0.2.1:80/TCP: not in the public ranges of this node, nor one of its addresses"},
		}, {
			name: "sockets of the node",
			manifests: service("a", "externalIPs: [192.0.2.1, 198.51.100.1], ports: [{name: a, port: 80}, {name: b, port: 81}, {name: c, port: 82}]") +
				service("b", "externalIPs: [192.0.2.1, 198.51.100.1], ports: [{port: 80, protocol: UDP}]"),
			policy: occupied,
			want: []string{
				"192.0.2.1:81/TCP ns/a:b external → refuse", "192.0.2.1:82/TCP ns/a:c external → refuse", "192.0.2.1:80/UDP ns/b external → refuse",
				"198.51.100.1:80/TCP ns/a:a external → refuse",
			},
			refused: []string{
				"ns/a: 192.0.2.1:80/TCP: a process of this node listens there",
				"ns/a: 198.51.100.1:81/TCP: a process of this node listens there",
				"ns/a: 198.51.100.1:82/TCP: a process of this node listens there",
				"ns/b: 198.51.100.1:80/UDP: a process of this node listens there",
			},
		}, {
			name: "the first service keeps an address, protocol and port",
			manifests: service("b", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], "+port80) +
				service("a", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], ports: [{name: p, port: 80}, {name: q, port: 81}]"),
			policy: public,
			want: []string{
				"10.0.0.1:80/TCP ns/b → refuse", "10.0.0.1:81/TCP ns/a:q → refuse",
				"192.0.2.1:80/TCP ns/b external → refuse", "192.0.2.1:81/TCP ns/a:q external → refuse",
			},
			refused: []string{"ns/a: 10.0.0.1:80/TCP: held by ns/b", "ns/a: 192.0.2.1:80/TCP: held by ns/b"},
		}, {
			name:      "a portal IP can't be taken by a public address",
			manifests: service("a", "externalIPs: [192.0.2.1], "+port80) + service("b", "clusterIP: 192.0.2.1, "+port80),
			policy:    public,
			want:      []string{"192.0.2.1:80/TCP ns/b → refuse"},
			refused:   []string{"ns/a: 192.0.2.1:80/TCP: held by ns/b"},
		}, {
			name:      "portal and public address of one service are the same",
			manifests: service("a", "clusterIP: 192.0.2.1, externalIPs: [192.0.2.1], "+port80),
			policy:    public,
			want:      []string{"192.0.2.1:80/TCP ns/a → refuse"},
		}, {
			name:      "a portal IP that is the node",
			manifests: service("a", "clusterIP: 198.51.100.1, ports: [{port: 22}]"),
			policy:    public,
			refused:   []string{"ns/a: 198.51.100.1:22/TCP: the portal IP is an address of this node"},
		}, {
			name: "a frontend that is its own endpoint",
			manifests: service("a", "clusterIP: 10.0.0.1, externalIPs: [198.51.100.1], "+port80) +
				endpoints("a", "{port: 80}", "198.51.100.1"),
			policy:  public,
			want:    []string{"10.0.0.1:80/TCP ns/a → 198.51.100.1:80"},
			refused: []string{"ns/a: 198.51.100.1:80/TCP: it is one of the service's own endpoints"},
		}, {
			name:      "a frontend whose address serves at another port",
			manifests: service("a", "externalIPs: [198.51.100.1], "+port80) + endpoints("a", "{port: 8080}", "198.51.100.1"),
			policy:    public,
			want:      []string{"198.51.100.1:80/TCP ns/a external → 198.51.100.1:8080"},
		}, {
			name:      "addresses that no service can have",
			manifests: service("a", "externalIPs: [127.0.0.1, 169.254.1.1, 224.0.0.1], "+port80),
			policy:    Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
			refused: []string{
				"ns/a: 127.0.0.1:80/TCP: a loopback address",
				"ns/a: 169.254.1.1:80/TCP: a link-local address",
				"ns/a: 224.0.0.1:80/TCP: a multicast address",
			},
		},
	})
}

func TestV1beta1(t *testing.T) {
	s := registrytest.Snapshot(t, `
{"kind": "Service",   "apiVersion": "v1beta1", "id": "myapp", "port": 80, "portalIP": "10.0.0.7", "sessionAffinity": "ClientIP"}
{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "myapp", "endpoints": ["173.194.112.206:80"]}`)
	want := []string{"10.0.0.7:80/TCP default/myapp affinity 3h0m0s → 173.194.112.206:80"}
	if diff := cmp.Diff(want, texts(Compile(s, Policy{}))); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if registry.DefaultAffinityTimeout != 3*time.Hour {
		t.Errorf("DefaultAffinityTimeout is %v", registry.DefaultAffinityTimeout)
	}
}
