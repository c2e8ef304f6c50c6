package rules

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestVerdictEndpoints(t *testing.T) {
	const ready, away, unready = isReady, isAway, "ready: false"
	slices := func(endpoints ...string) string { return sliceOf("a", "IPv4", endpoints...) }
	mixed := slices(located("10.1.0.1", "n1", "z1", ready), located("10.1.0.2", "n2", "z1", ready), located("10.1.0.3", "n3", "z3", ready),
		located("10.1.0.4", "n1", "z1", unready), located("10.1.0.5", "n1", "z1", away), located("127.0.0.1", "n1", "z1", ready), located("127.0.0.2", "n1", "z1", unready))
	const portal = "clusterIP: 10.0.0.1, "
	tests := []struct {
		name      string
		manifests string
		to, from  string
		want      []string
	}{
		{"all", service("a", portal+port80) + mixed, "10.0.0.1:80", "10.1.9.9", []string{
			"10.1.0.1:8080 gets it", "10.1.0.2:8080 gets it", "10.1.0.3:8080 gets it", "10.1.0.4:8080: it is not ready", "10.1.0.5:8080: it is going away",
			"127.0.0.1:8080: nothing is sent there: a loopback address", "127.0.0.2:8080: nothing is sent there: a loopback address",
		}},
		{"the nearest", service("a", portal+"trafficDistribution: PreferClose, "+port80) + mixed, "10.0.0.1:80", "10.1.9.9", []string{
			"10.1.0.1:8080 gets it", "10.1.0.2:8080 gets it", "10.1.0.3:8080: others are nearer", "10.1.0.4:8080: it is not ready", "10.1.0.5:8080: it is going away",
			"127.0.0.1:8080: nothing is sent there: a loopback address", "127.0.0.2:8080: nothing is sent there: a loopback address",
		}},
		{"of this node", service("a", portal+"internalTrafficPolicy: Local, "+port80) + slices(located("10.1.0.1", "n1", "", ready), located("10.1.0.2", "n2", "", ready)),
			"10.0.0.1:80", "10.1.9.9", []string{"10.1.0.1:8080 gets it", "10.1.0.2:8080: it is not on this node"}},
		{"of this node, for clients outside", service("a", "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]") +
			slices(located("10.1.0.1", "n1", "", ready), located("10.1.0.2", "n2", "", ready)),
			"198.51.100.1:30080", "203.0.113.9", []string{"10.1.0.1:8080 gets it", "10.1.0.2:8080: it is not on this node"}},
		{"of all nodes, for the node itself", service("a", "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]") +
			slices(located("10.1.0.1", "n1", "", ready), located("10.1.0.2", "n2", "", ready)),
			"198.51.100.1:30080", "127.0.0.1", []string{"10.1.0.1:8080 gets it", "10.1.0.2:8080 gets it"}},
		{"of all nodes, where only portal IPs are Local", service("a", "type: NodePort, internalTrafficPolicy: Local, trafficDistribution: PreferClose, ports: [{port: 80, nodePort: 30080}]") +
			slices(located("10.1.0.2", "n2", "z1", ready), located("10.1.0.3", "n3", "z3", ready)),
			"198.51.100.1:30080", "203.0.113.9", []string{"10.1.0.2:8080 gets it", "10.1.0.3:8080: others are nearer"}},
		{"one rests", weighted("10.1.0.2=0", port80) + endpoints("a", "{port: 8080}", "10.1.0.1", "10.1.0.2", "fd01::1"), "10.0.0.1:80", "10.1.9.9",
			[]string{"10.1.0.1:8080 gets it", "10.1.0.2:8080: its weight is 0", "[fd01::1]:8080: it is of the other address family"}},
		{"the last resort", weighted("10.1.0.2=0", port80) + slices(located("10.1.0.1", "", "", away), located("10.1.0.2", "", "", away)), "10.0.0.1:80", "10.1.9.9",
			[]string{"10.1.0.1:8080 gets it", "10.1.0.2:8080: its weight is 0"}},
		{"a client that may not", balanced("a", "loadBalancerSourceRanges: [203.0.113.0/24], "+port80, "{ip: 192.0.2.1}") + endpoints("a", "{port: 8080}", "10.1.0.1"), "192.0.2.1:80", "10.1.9.9",
			[]string{"10.1.0.1:8080: the client may not connect"}},
		{"no service", "", "192.0.2.1:80", "10.1.9.9", nil},
	}
	policy := open()
	policy.PublicRanges = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, to := registrytest.Snapshot(t, tt.manifests), netip.MustParseAddrPort(tt.to)
			v := Trace(Compile(s, policy), netip.MustParseAddr(tt.from), Frontend{to.Addr(), registry.TCP, to.Port()})
			var got []string
			if e := s.Service(v.Rule.Service); e != nil {
				for _, one := range v.Endpoints(e, policy) {
					text := fmt.Sprintf("%v: %s", one.AddrPort(), one.WhyNot)
					if one.WhyNot == "" {
						text = fmt.Sprintf("%v gets it", one.AddrPort())
					}
					got = append(got, text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// One that is known by name only is sent nothing.
func TestEndpointWithoutAddress(t *testing.T) {
	s := registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: key("a")}, PortalIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Ports: []registry.Port{{Protocol: registry.TCP, Port: 80}}}
	e := &registry.Entry{Service: &s, Subsets: []registry.Subset{{Ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: 80}}, Endpoints: []registry.Endpoint{{Host: "db.example.org", Ready: true}}}}}
	v := Verdict{Rule: Rule{Frontend: Frontend{s.PortalIPs[0], registry.TCP, 80}}}
	if got := v.Endpoints(e, Policy{}); len(got) != 1 || got[0].WhyNot != "it has no address" {
		t.Errorf("%+v", got)
	}
	if got := (&Verdict{}).Endpoints(e, Policy{}); got != nil {
		t.Errorf("%+v of no rule", got)
	}
}
