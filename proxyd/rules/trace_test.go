package rules

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// traced is a registry with all that makes a difference to a packet.
func traced(t *testing.T) *registry.Snapshot {
	t.Helper()
	return registrytest.Snapshot(t, service("web", "type: NodePort, clusterIP: 10.0.0.1, externalIPs: [192.0.2.1], ports: [{port: 80, nodePort: 30080}]")+
		endpoints("web", "{port: 8080}", "10.1.0.1", "10.1.0.2", "203.0.113.80")+
		service("empty", "clusterIP: 10.0.0.2, "+port80)+
		balanced("local", "clusterIP: 10.0.0.3, internalTrafficPolicy: Local, externalTrafficPolicy: Local, loadBalancerSourceRanges: [203.0.113.0/24, 10.1.9.0/24], "+port80, "{ip: 192.0.2.3}")+
		sliceOf("local", "IPv4", located("10.1.0.3", "n1", "", isReady), located("10.1.0.4", "n2", "", isReady))+
		service("away", "clusterIP: 10.0.0.4, externalIPs: [192.0.2.4], internalTrafficPolicy: Local, externalTrafficPolicy: Local, "+port80)+
		sliceOf("away", "IPv4", located("10.1.0.5", "n2", "", isReady)))
}

func TestTrace(t *testing.T) {
	plain, pods, all := open(), open(), open()
	pods.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd01::/16")}
	all.MasqueradeAll = true
	fewer := plain
	fewer.NodePortAddrs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	s := traced(t)
	const masqueraded = " (masqueraded)"
	tests := []struct {
		name     string
		policy   Policy
		from, to string
		want     string
		because  string // the last reason
	}{
		{"portal IP", plain, "10.1.9.9", "10.0.0.1:80", "sent to 10.1.0.1:8080 10.1.0.2:8080 203.0.113.80:8080", "10.0.0.1:80/TCP is a portal IP of ns/web"},
		{"an endpoint to itself", plain, "10.1.0.2", "10.0.0.1:80", "sent to 10.1.0.1:8080 10.1.0.2:8080 (masqueraded) 203.0.113.80:8080", "masqueraded: 10.1.0.2 connects to itself"},
		{"an endpoint as IPv6 has it", plain, "::ffff:10.1.0.2", "10.0.0.1:80", "sent to 10.1.0.1:8080 10.1.0.2:8080 (masqueraded) 203.0.113.80:8080", "masqueraded: 10.1.0.2 connects to itself"},
		{"all masqueraded", all, "10.1.9.9", "10.0.0.1:80", "sent to 10.1.0.1:8080 (masqueraded) 10.1.0.2:8080 (masqueraded) 203.0.113.80:8080 (masqueraded)",
			"masqueraded: all connections to portal IPs are"},
		{"out of the cluster", pods, "10.1.9.9", "10.0.0.1:80", "sent to 10.1.0.1:8080 10.1.0.2:8080 203.0.113.80:8080 (masqueraded)",
			"masqueraded: the connection crosses the border of the cluster's networks"},
		{"into the cluster", pods, "203.0.113.9", "10.0.0.1:80", "sent to 10.1.0.1:8080 (masqueraded) 10.1.0.2:8080 (masqueraded) 203.0.113.80:8080",
			"masqueraded: the connection crosses the border of the cluster's networks"},
		{"public", pods, "203.0.113.9", "192.0.2.1:80", "sent to 10.1.0.1:8080 (masqueraded) 10.1.0.2:8080 (masqueraded) 203.0.113.80:8080 (masqueraded)",
			"masqueraded: replies must come back by way of this node"},
		{"node port", plain, "203.0.113.9", "198.51.100.1:30080", "sent to 10.1.0.1:8080 (masqueraded) 10.1.0.2:8080 (masqueraded) 203.0.113.80:8080 (masqueraded)",
			"masqueraded: replies must come back by way of this node"},
		{"node port of another node", plain, "203.0.113.9", "198.51.100.2:30080", "passed", "198.51.100.2:30080/TCP is no service's"},
		{"node port at an address that takes none", fewer, "203.0.113.9", "198.51.100.1:30080", "passed", "198.51.100.1:30080/TCP is no service's"},
		{"no endpoints", plain, "10.1.9.9", "10.0.0.2:80", "refused", "no endpoint serves: refused"},
		{"no service", plain, "10.1.9.9", "10.0.0.9:80", "passed", "10.0.0.9:80/TCP is no service's"},
		{"no such port", plain, "10.1.9.9", "10.0.0.1:81", "passed", "10.0.0.1:81/TCP is no service's"},
		{"local portal IP", pods, "10.1.9.9", "10.0.0.3:80", "sent to 10.1.0.3:8080", "10.0.0.3:80/TCP is a portal IP of ns/local"},
		{"local, none here", pods, "10.1.9.9", "10.0.0.4:80", "dropped", "no endpoint of this node serves: dropped"},
		{"outside to local, none here", pods, "203.0.113.9", "192.0.2.4:80", "dropped", "no endpoint of this node serves: dropped"},
		{"outside to local", pods, "203.0.113.9", "192.0.2.3:80", "sent to 10.1.0.3:8080", "203.0.113.9 is outside the cluster: only endpoints of this node serve it"},
		{"from the cluster to local", pods, "10.1.9.9", "192.0.2.3:80", "sent to 10.1.0.3:8080 (masqueraded) 10.1.0.4:8080 (masqueraded)",
			"masqueraded: replies must come back by way of this node"},
		{"from a pod, if nobody knows which those are", plain, "10.1.9.9", "192.0.2.3:80", "sent to 10.1.0.3:8080", "10.1.9.9 is outside the cluster: only endpoints of this node serve it"},
		{"from a client that may not", pods, "10.1.0.3", "192.0.2.3:80", "dropped", "10.1.0.3 is not in loadBalancerSourceRanges: dropped"},
		{"from this node", pods, "198.51.100.1", "192.0.2.3:80", "sent to 10.1.0.3:8080 (masqueraded) 10.1.0.4:8080 (masqueraded)",
			"masqueraded: replies must come back by way of this node"},
		{"from this node's loopback", pods, "127.0.0.1", "192.0.2.4:80", "sent to 10.1.0.5:8080" + masqueraded, "masqueraded: replies must come back by way of this node"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := netip.MustParseAddrPort(tt.to)
			v := Trace(Compile(s, tt.policy), netip.MustParseAddr(tt.from), Frontend{at.Addr(), registry.TCP, at.Port()})
			if diff := cmp.Diff(tt.want, v.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if last := v.Reasons[len(v.Reasons)-1]; last != tt.because {
				t.Errorf("because %q, want %q last", v.Reasons, tt.because)
			}
		})
	}
}

func TestTraceWeights(t *testing.T) {
	s := registrytest.Snapshot(t, weighted("10.1.0.1=3", port80)+endpoints("a", "{port: 8080}", "10.1.0.1", "10.1.0.2"))
	v := Trace(Compile(s, Policy{}), netip.MustParseAddr("10.1.0.2"), Frontend{netip.MustParseAddr("10.0.0.1"), registry.TCP, 80})
	if want := "sent to 10.1.0.1:8080*3 10.1.0.2:8080 (masqueraded)"; v.String() != want {
		t.Errorf("%v, want %s", v, want)
	}
}
