package nfttest

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/nftables"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

const services = `
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: ns, annotations: {svcreg.io/weights: "10.1.0.1=3"}}, spec: {type: NodePort, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'],
  externalIPs: [192.0.2.1], ports: [{name: http, port: 80, nodePort: 30080}, {name: dns, port: 53, protocol: UDP}]}}
---
{kind: Endpoints, apiVersion: v1, metadata: {name: web, namespace: ns}, subsets: [{addresses: [{ip: 10.1.0.1}, {ip: 10.1.0.2}, {ip: 203.0.113.80}, {ip: 'fd01::1'}],
  ports: [{name: http, port: 8080}, {name: dns, port: 53, protocol: UDP}]}]}
---
{kind: Service, apiVersion: v1, metadata: {name: none, namespace: ns}, spec: {clusterIP: 10.0.0.2, ports: [{name: a, port: 80}, {name: b, port: 80, protocol: UDP}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: sticky, namespace: ns}, spec: {type: NodePort, clusterIP: 10.0.0.3, externalTrafficPolicy: Local, sessionAffinity: ClientIP, ports: [{port: 80, nodePort: 30083}]}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: sticky-1, namespace: ns, labels: {kubernetes.io/service-name: sticky}}, addressType: IPv4,
  ports: [{port: 8080, protocol: TCP}], endpoints: [{addresses: [10.1.0.1], nodeName: n1}, {addresses: [10.1.0.2], nodeName: n2}, {addresses: [10.1.0.3], nodeName: n1}]}
---
{kind: Service, apiVersion: v1, metadata: {name: limited, namespace: ns}, spec: {type: LoadBalancer, clusterIP: 10.0.0.4, internalTrafficPolicy: Local, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30084}],
  loadBalancerSourceRanges: [203.0.113.0/24, 10.1.9.8/29]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.4}]}}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: limited-1, namespace: ns, labels: {kubernetes.io/service-name: limited}}, addressType: IPv4,
  ports: [{port: 8080, protocol: TCP}], endpoints: [{addresses: [10.1.0.2], nodeName: n2}]}
`

// TestTrace compares what becomes of packets by the text with what becomes of
// them by the rules, for every frontend and many clients.
func TestTrace(t *testing.T) { eachPolicy(t, compareAll) }

var here = []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")}

// eachPolicy does something with the rules of all services, and their text.
func eachPolicy(t *testing.T, do func(*testing.T, *rules.Ruleset, string)) {
	s := registrytest.Snapshot(t, services)
	networks := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	plain := rules.Policy{NodeName: "n1", NodeAddrs: here, NodePorts: true, PublicRanges: networks("192.0.2.0/24")}
	pods, all := plain, plain
	pods.ClusterCIDRs = networks("10.1.0.0/16", "fd01::/16")
	all.MasqueradeAll = true
	for name, policy := range map[string]rules.Policy{"plain": plain, "cluster": pods, "masquerade all": all} {
		t.Run(name, func(t *testing.T) {
			compiled := rules.Compile(s, policy)
			var text bytes.Buffer
			if err := nftables.Render(&text, compiled, nftables.Config{ClusterCIDRs: policy.ClusterCIDRs, MasqueradeAll: policy.MasqueradeAll}); err != nil {
				t.Fatal(err)
			}
			do(t, compiled, text.String())
		})
	}
}

func compareAll(t *testing.T, compiled *rules.Ruleset, text string) {
	t.Helper()
	parsed, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range frontends(compiled) {
		for _, from := range []string{"203.0.113.9", "10.1.9.9", "10.1.9.16", "10.1.0.1", "10.1.0.2", "198.51.100.1", "127.0.0.1", "fd01::1", "2001:db8::99"} {
			compare(t, compiled, parsed, netip.MustParseAddr(from), to)
		}
	}
}

// frontends returns those of all rules, node ports at the node's addresses, and
// some that are nobody's.
func frontends(r *rules.Ruleset) []rules.Frontend {
	var all []rules.Frontend
	for rule := range r.Rules() {
		f := rule.Frontend
		for _, addr := range here {
			if f.IsNodePort() && addr.Is4() == f.Addr.Is4() {
				f.Addr = addr
			}
		}
		none := f
		none.Port++
		all = append(all, f, none)
	}
	return append(all, rules.Frontend{Addr: netip.MustParseAddr("198.51.100.2"), Protocol: registry.TCP, Port: 30080})
}

func compare(t *testing.T, r *rules.Ruleset, parsed *Ruleset, from netip.Addr, to rules.Frontend) {
	t.Helper()
	if from.Is4() != to.Addr.Is4() || from.IsLoopback() && to.IsNodePort() {
		return
	}
	packet := Packet{
		From: from, To: netip.AddrPortFrom(to.Addr, to.Port), Protocol: strings.ToLower(string(to.Protocol)), NodeAddrs: here,
		Local: from.IsLoopback() || from == here[0] || from == here[1],
	}
	got, err := parsed.Trace(packet)
	if err != nil {
		t.Fatal(err)
	}
	v := rules.Trace(r, from, to)
	if diff := cmp.Diff(expected(&v, packet.To), texts(got)); diff != "" {
		t.Errorf("from %v to %v (-rules +text):\n%s", from, to, diff)
	}
}

// expected returns what a verdict comes to, as texts has it.
func expected(v *rules.Verdict, to netip.AddrPort) map[string]int {
	target := rules.Target{}
	all := map[Outcome]float64{}
	for _, hop := range v.To {
		target.Backends = append(target.Backends, hop.Backend)
	}
	for _, hop := range v.To {
		all[Outcome{To: hop.AddrPort, Masqueraded: hop.Masqueraded}] = float64(hop.Weight) / float64(target.Slots())
	}
	refusal := "port-unreachable"
	if v.Rule.Protocol == registry.TCP {
		refusal = "tcp reset"
	}
	switch v.Fate {
	case rules.Passed:
		all[Outcome{To: to}] = 1
	case rules.Refused:
		all[Outcome{To: to, Refused: refusal}] = 1
	case rules.Dropped:
		all[Outcome{To: to, Refused: "drop"}] = 1
	}
	return texts(all)
}

// texts returns outcomes with their probabilities in thousandths.
func texts(all map[Outcome]float64) map[string]int {
	m := map[string]int{}
	for o, p := range all {
		m[fmt.Sprintf("%+v", o)] = int(math.Round(1000 * p))
	}
	return m
}

func TestUnknown(t *testing.T) {
	for text, want := range map[string]string{
		"list ruleset":                       `unknown command "list"`,
		"table ip a":                         `";": want "{"`,
		"table ip a {\n\tflowtable f { }\n}": `unknown "flowtable" in a table`,
		"add chain ip a b":                   `"chain": want "element"`,
		"flush ruleset":                      `"ruleset": want "table"`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for line, want := range map[string]string{
		"goto nowhere":                   `no chain "nowhere"`,
		"ip ttl 3 drop":                  `unknown field "ip ttl"`,
		"ip daddr @nowhere drop":         `no set "nowhere"`,
		"ip daddr":                       "want more after the key",
		"dnat ip to ip daddr set @s":     `"set": want "map"`,
		"dnat ip to th dport map @wrong": "want an address and a port",
	} {
		r, err := Parse("table ip a {\n map wrong {\n elements = { 80 : here }\n }\n chain c {\n type nat hook prerouting priority 0; policy accept;\n " + line + "\n }\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		p := Packet{From: netip.MustParseAddr("10.0.0.1"), To: netip.MustParseAddrPort("10.0.0.2:80"), Protocol: "tcp"}
		if _, err := r.Trace(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
}

// Words that package nftables doesn't write today, and the form in which nft
// prints what stands.
func TestLanguage(t *testing.T) {
	r, err := Parse(`
table ip a { # handle 1
	set nets {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/24, 10.9.0.1-10.9.0.9,
			     10.8.0.1 }
	}
	chain first {
		type nat hook prerouting priority dstnat; policy accept;
		jump second
		ip saddr != @nets drop
		ip daddr == 10.0.0.3 accept
		ip saddr 10.8.0.1 drop
	}
	chain second {
		ip daddr 10.0.0.2 return
		ip daddr 10.0.0.3 return
		reject with tcp reset
		ip daddr 10.0.0.4 reject with icmp admin-prohibited
		reject
	}
}
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, protocol, want string }{
		{"10.0.0.9", "10.0.0.2", "tcp", ""},
		{"10.9.0.9", "10.0.0.2", "tcp", ""},
		{"10.9.0.10", "10.0.0.2", "tcp", "drop"},
		{"10.8.0.1", "10.0.0.2", "tcp", "drop"},
		{"10.8.0.1", "10.0.0.3", "tcp", ""},
		{"10.0.0.9", "10.0.0.4", "tcp", "tcp reset"},
		{"10.0.0.9", "10.0.0.4", "udp", "icmp admin-prohibited"},
		{"10.0.0.9", "10.0.0.5", "udp", "port-unreachable"},
	} {
		to := netip.AddrPortFrom(netip.MustParseAddr(tt.to), 80)
		got, err := r.Trace(Packet{From: netip.MustParseAddr(tt.from), To: to, Protocol: tt.protocol})
		if diff := cmp.Diff(texts(map[Outcome]float64{{To: to, Refused: tt.want}: 1}), texts(got)); diff != "" || err != nil {
			t.Errorf("from %s to %s: %v (-want +got):\n%s", tt.from, tt.to, err, diff)
		}
	}
}
