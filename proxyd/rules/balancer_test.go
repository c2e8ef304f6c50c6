package rules

import (
	"fmt"
	"net/netip"
	"testing"
)

// balanced returns the manifest of a service whose load balancer has given it
// some addresses.
func balanced(name, spec, addresses string) string {
	return fmt.Sprintf("---\n{kind: Service, apiVersion: v1, metadata: {namespace: ns, name: %s}, spec: {type: LoadBalancer, %s}, status: {loadBalancer: {ingress: [%s]}}}\n", name, spec, addresses)
}

func TestLoadBalancers(t *testing.T) {
	public := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")}}
	runCases(t, []testCase{
		{
			name:      "addresses",
			manifests: balanced("a", port80, "{ip: 192.0.2.1}, {ip: 203.0.113.1}, {hostname: lb.example.org}") + endpoints("a", "{port: 8080}", "10.1.0.1"),
			policy:    public,
			want:      []string{"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080"},
			refused:   []string{"ns/a: 203.0.113.1:80/TCP: not in the public ranges of this node, nor one of its addresses"},
		}, {
			name: "addresses of the registry's own pools, which public addresses can't be",
			manifests: balanced("a", port80+", externalIPs: [203.0.113.2]", "{ip: 203.0.113.1}, {ip: 198.51.100.1}") + endpoints("a", "{port: 8080}", "10.1.0.1"),
			policy:    Policy{PoolRanges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}},
			want:      []string{"203.0.113.1:80/TCP ns/a external → 10.1.0.1:8080"},
			refused: []string{
				"ns/a: 198.51.100.1:80/TCP: not in the public ranges of this node, nor one of its addresses",
				"ns/a: 203.0.113.2:80/TCP: not in the public ranges of this node, nor one of its addresses",
			},
		}, {
			name: "source ranges are for these addresses only, by family, without overlap",
			manifests: balanced("a", "clusterIP: 10.0.0.1, externalIPs: [192.0.2.9], loadBalancerSourceRanges: [198.51.100.7/24, 10.1.2.0/24, 10.0.0.0/8, '2001:db8:1::/48', 10.3.0.0/16], "+port80,
				"{ip: 192.0.2.1}, {ip: '2001:db8::1'}"),
			policy: public,
			want: []string{
				"10.0.0.1:80/TCP ns/a → refuse",
				"192.0.2.1:80/TCP ns/a external from 10.0.0.0/8,198.51.100.0/24 → refuse",
				"192.0.2.9:80/TCP ns/a external → refuse",
				"[2001:db8::1]:80/TCP ns/a external from 2001:db8:1::/48 → refuse",
			},
		}, {
			name:      "all networks of a family",
			manifests: balanced("a", "loadBalancerSourceRanges: [10.0.0.0/8, 0.0.0.0/0, '::/0'], "+port80, "{ip: 192.0.2.1}, {ip: '2001:db8::1'}"),
			policy:    public,
			want:      []string{"192.0.2.1:80/TCP ns/a external → refuse", "[2001:db8::1]:80/TCP ns/a external → refuse"},
		}, {
			name:      "no network of a family",
			manifests: balanced("a", "loadBalancerSourceRanges: [10.0.0.0/8], "+port80, "{ip: 192.0.2.1}, {ip: '2001:db8::1'}"),
			policy:    public,
			want:      []string{"192.0.2.1:80/TCP ns/a external from 10.0.0.0/8 → refuse"},
			refused:   []string{"ns/a: [2001:db8::1]:80/TCP: loadBalancerSourceRanges have no network of its family, so the address stays shut"},
		},
	})
}
