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

// balanced returns the manifest of a service whose load balancer has given it
// some addresses.
func balanced(name, spec, addresses string) string {
	return fmt.Sprintf("---\n{kind: Service, apiVersion: v1, metadata: {namespace: ns, name: %s}, spec: {type: LoadBalancer, %s}, status: {loadBalancer: {ingress: [%s]}}}\n", name, spec, addresses)
}

// held returns a policy under which services hold some addresses.
func held(p Policy, services string, addrs ...string) Policy {
	var keys []registry.Key
	for name := range strings.FieldsSeq(services) {
		keys = append(keys, registry.Key{Namespace: "ns", Name: name})
	}
	for _, a := range addrs {
		p.Pools.Holders = p.Pools.Holders.With(netip.MustParseAddr(a), keys)
	}
	return p
}

func TestLoadBalancers(t *testing.T) {
	public := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")}}
	pooled := public
	pooled.Pools.Ranges = []PoolRange{
		{netip.MustParsePrefix("203.0.113.0/24"), []string{"other", "ns"}},
		{netip.MustParsePrefix("198.51.100.0/24"), []string{"other"}},
	}
	runCases(t, []testCase{
		{
			name:      "addresses",
			manifests: balanced("a", port80, "{ip: 192.0.2.1}, {ip: 203.0.113.1}, {hostname: lb.example.org}") + endpoints("a", "{port: 8080}", "10.1.0.1"),
			policy:    public,
			want:      []string{"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080"},
			refused:   []string{"ns/a: 203.0.113.1:80/TCP: not in the public ranges of this node, nor one of its addresses"},
		}, {
			name: "addresses of the registry's own pools are for load balancers of their namespaces, whatever the version",
			manifests: balanced("a", port80+", externalIPs: [203.0.113.2]", "{ip: 203.0.113.1}, {ip: 198.51.100.1}, {ip: 192.0.2.1}") +
				"---\n{kind: Service, apiVersion: v1beta1, namespace: ns, id: old, port: 80, createExternalLoadBalancer: true, publicIPs: [203.0.113.3]}\n" +
				"---\n{kind: Service, apiVersion: v1beta1, namespace: ns, id: plain, port: 80, publicIPs: [203.0.113.4]}\n",
			policy: pooled,
			want: []string{
				"192.0.2.1:80/TCP ns/a external → refuse",
				"203.0.113.1:80/TCP ns/a external → refuse",
				"203.0.113.2:80/TCP ns/a external → refuse",
				"203.0.113.3:80/TCP ns/old external → refuse",
			},
			refused: []string{
				"ns/a: 198.51.100.1:80/TCP: not in the public ranges of this node, nor one of its addresses",
				"ns/plain: 203.0.113.4:80/TCP: not in the public ranges of this node, nor one of its addresses",
			},
		}, {
			name: "an address that the registry gave to services is theirs, in any range, and nobody else's",
			manifests: balanced("a", port80, "{ip: 203.0.113.9}, {ip: 192.0.2.9}, {ip: 198.51.100.9}") +
				balanced("mine", port80, "{ip: 203.0.113.9}, {ip: 192.0.2.9}, {ip: 198.51.100.9}") +
				"---\n{kind: Service, apiVersion: v1beta1, namespace: ns, id: too, port: 81, publicIPs: [203.0.113.9, 127.0.0.1]}\n",
			policy: held(pooled, "mine too", "203.0.113.9", "192.0.2.9", "198.51.100.9", "127.0.0.1"),
			want: []string{
				"192.0.2.9:80/TCP ns/mine external → refuse",
				"198.51.100.9:80/TCP ns/mine external → refuse",
				"203.0.113.9:80/TCP ns/mine external → refuse",
				"203.0.113.9:81/TCP ns/too external → refuse",
			},
			refused: []string{
				"ns/a: 192.0.2.9:80/TCP: the registry gave it to service ns/mine",
				"ns/a: 198.51.100.9:80/TCP: the registry gave it to service ns/mine",
				"ns/a: 203.0.113.9:80/TCP: the registry gave it to service ns/mine",
				"ns/too: 127.0.0.1:81/TCP: a loopback address",
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

// What changes hands is compiled anew, and nothing else.
func TestUnder(t *testing.T) {
	s := registrytest.Snapshot(t, balanced("a", port80, "{ip: 192.0.2.1}")+balanced("b", port80, "{ip: 192.0.2.1}")+balanced("c", port80, "{ip: 192.0.2.2}"))
	public := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	before := Compile(s, public)
	policy := held(public, "b", "192.0.2.1")
	changes := &registry.Changes{Services: []registry.Key{{Namespace: "ns", Name: "a"}, {Namespace: "ns", Name: "b"}}}
	after, changed := before.Under(policy).Update(s, changes)
	var got []string
	for _, f := range changed {
		got = append(got, f.String())
	}
	if diff := cmp.Diff([]string{"192.0.2.1:80/TCP"}, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	leads := func(what string, r *Ruleset, want string) {
		rule, _ := r.Lookup(Frontend{netip.MustParseAddr("192.0.2.1"), registry.TCP, 80})
		if rule.Service.Name != want {
			t.Errorf("%s it leads to %v, want ns/%s", what, rule.Service, want)
		}
	}
	leads("before", before, "a")
	leads("after", after, "b")
	leads("compiled at once", Compile(s, policy), "b")
}
