package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// located is an endpoint for slices: where it is, and how it is.
func located(address, node, zone, conditions string) string {
	return fmt.Sprintf("{addresses: ['%s'], nodeName: '%s', zone: '%s', conditions: {%s}}", address, node, zone, conditions)
}

// sliceOf returns the manifest of an EndpointSlice of some endpoints.
func sliceOf(service, family string, endpoints ...string) string {
	return fmt.Sprintf("---\n{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: %s, metadata: {namespace: ns, name: %s-%[1]s, labels: {kubernetes.io/service-name: %[2]s}}, "+
		"ports: [{name: '', port: 8080, protocol: TCP}], endpoints: [%s]}\n", family, service, strings.Join(endpoints, ", "))
}

const (
	isReady  = "ready: true"
	isAway   = "ready: false, serving: true, terminating: true"
	isUnwell = "ready: false, serving: false"
)

// here is the node n1 in zone z1, which honours all public addresses of
// 192.0.2.0/24.
var here = Policy{
	PublicRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	NodeAddrs:    []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")},
	NodeName:     "n1", Zone: "z1",
}

func TestLocal(t *testing.T) {
	const both = "clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], " + port80
	far, near := located("10.1.0.1", "n2", "z1", isReady), located("10.1.0.2", "n1", "z1", isReady)
	nearAway, nearUnwell := located("10.1.0.3", "n1", "z1", isAway), located("10.1.0.4", "n1", "z1", isUnwell)
	runCases(t, []testCase{
		{
			name:      "neither is",
			manifests: service("a", both) + sliceOf("a", "IPv4", far, near),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080 10.1.0.2:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080 10.1.0.2:8080",
			},
		}, {
			name:      "internal: from portal IPs to this node's only, from outside to all",
			manifests: service("a", "internalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", far, near),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.2:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080 10.1.0.2:8080",
			},
		}, {
			name:      "external: from outside to this node's only, from inside to all",
			manifests: service("a", "externalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", far, near),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080 10.1.0.2:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080 10.1.0.2:8080; outside → 10.1.0.2:8080",
			},
		}, {
			name:      "both",
			manifests: service("a", "internalTrafficPolicy: Local, externalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", far, near),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.2:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080 10.1.0.2:8080; outside → 10.1.0.2:8080",
			},
		}, {
			name:      "none here: dropped",
			manifests: service("a", "internalTrafficPolicy: Local, externalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", far, nearUnwell),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → drop",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080; outside → drop",
			},
		}, {
			name:      "none anywhere: refused",
			manifests: service("a", "internalTrafficPolicy: Local, externalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", nearUnwell),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → refuse",
				"192.0.2.1:80/TCP ns/a external → refuse; outside → refuse",
			},
		}, {
			name:      "here they are going away: the last resort here, whoever serves elsewhere",
			manifests: service("a", "internalTrafficPolicy: Local, externalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", far, nearAway, nearUnwell),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.3:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.1:8080; outside → 10.1.0.3:8080",
			},
		}, {
			name:      "some are ready here: no last resort",
			manifests: service("a", "internalTrafficPolicy: Local, "+both) + sliceOf("a", "IPv4", near, nearAway),
			policy:    here,
			want: []string{
				"10.0.0.1:80/TCP ns/a → 10.1.0.2:8080",
				"192.0.2.1:80/TCP ns/a external → 10.1.0.2:8080",
			},
		}, {
			name:      "made by hand: known by the node's address",
			manifests: service("a", "internalTrafficPolicy: Local, clusterIP: 10.0.0.1, "+port80) + endpoints("a", "{port: 8080}", "198.51.100.1", "198.51.100.2"),
			policy:    here,
			want:      []string{"10.0.0.1:80/TCP ns/a → 198.51.100.1:8080"},
		}, {
			name:      "a node without a name has only endpoints at its addresses",
			manifests: service("a", "internalTrafficPolicy: Local, clusterIP: 10.0.0.1, "+port80) + endpoints("a", "{port: 8080}", "10.1.0.1"),
			want:      []string{"10.0.0.1:80/TCP ns/a → drop"},
		}, {
			name: "each family for itself",
			manifests: service("a", "internalTrafficPolicy: Local, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], "+port80) +
				sliceOf("a", "IPv4", near) + sliceOf("a", "IPv6", located("fd01::1", "n2", "z1", isReady)),
			policy: here,
			want:   []string{"10.0.0.1:80/TCP ns/a → 10.1.0.2:8080", "[fd00::1]:80/TCP ns/a → drop"},
		},
	})
}

func TestLastResortByFamily(t *testing.T) {
	runCases(t, []testCase{{
		name: "IPv6 is going away",
		manifests: service("a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], "+port80) +
			sliceOf("a", "IPv4", located("10.1.0.1", "", "", isReady)) + sliceOf("a", "IPv6", located("fd01::1", "", "", isAway)),
		want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080", "[fd00::1]:80/TCP ns/a → [fd01::1]:8080"},
	}})
}

func TestTrafficDistribution(t *testing.T) {
	all := []string{located("10.1.0.1", "n1", "z1", isReady), located("10.1.0.2", "n2", "z1", isReady), located("10.1.0.3", "n3", "z2", isReady)}
	with := func(distribution string, endpoints ...string) string {
		return service("a", "trafficDistribution: "+distribution+", clusterIP: 10.0.0.1, "+port80) + sliceOf("a", "IPv4", endpoints...)
	}
	nowhere := here
	nowhere.NodeName, nowhere.Zone = "", ""
	to := func(backends string) []string { return []string{"10.0.0.1:80/TCP ns/a → " + backends} }
	const everywhere, zone, node = "10.1.0.1:8080 10.1.0.2:8080 10.1.0.3:8080", "10.1.0.1:8080 10.1.0.2:8080", "10.1.0.1:8080"
	runCases(t, []testCase{
		{name: "PreferClose", manifests: with("PreferClose", all...), policy: here, want: to(zone)},
		{name: "PreferSameZone", manifests: with("PreferSameZone", all...), policy: here, want: to(zone)},
		{name: "PreferSameNode", manifests: with("PreferSameNode", all...), policy: here, want: to(node)},
		{name: "PreferSameNode, none on it: the zone", manifests: with("PreferSameNode", all[1:]...), policy: here, want: to("10.1.0.2:8080")},
		{name: "PreferSameNode, none in the zone either", manifests: with("PreferSameNode", all[2]), policy: here, want: to("10.1.0.3:8080")},
		{name: "PreferClose, none in the zone", manifests: with("PreferClose", all[2]), policy: here, want: to("10.1.0.3:8080")},
		{name: "a preference of another time", manifests: with("PreferSunny", all...), policy: here, want: to(everywhere)},
		{name: "a node that doesn't know where it is", manifests: with("PreferClose", all...), policy: nowhere, want: to(everywhere)},
		{name: "neither the node nor an endpoint is in a zone", manifests: with("PreferClose", located("10.1.0.1", "", "", isReady), all[2]), policy: nowhere, want: to("10.1.0.1:8080 10.1.0.3:8080")},
		{name: "one near that isn't ready", manifests: with("PreferClose", located("10.1.0.1", "n1", "z1", isUnwell), all[2]), policy: here, want: to("10.1.0.3:8080")},
		{name: "one near that is going away", manifests: with("PreferClose", located("10.1.0.1", "n1", "z1", isAway), all[2]), policy: here, want: to("10.1.0.3:8080")},
		{name: "all are going away: the nearest", manifests: with("PreferClose", located("10.1.0.1", "n1", "z1", isAway), located("10.1.0.3", "n3", "z2", isAway)),
			policy: here, want: to("10.1.0.1:8080")},
		{
			name: "not for those outside",
			manifests: service("a", "trafficDistribution: PreferSameNode, externalTrafficPolicy: Local, externalIPs: [192.0.2.1], "+port80) +
				sliceOf("a", "IPv4", all[1:]...),
			policy: here,
			want:   []string{"192.0.2.1:80/TCP ns/a external → 10.1.0.2:8080; outside → drop"},
		},
	})
}
