//go:build linux

package nftables

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

// fleet is a node between a pod, two servers and a client from outside. All of
// them serve port 8080.
type fleet struct {
	t                        testing.TB
	node, pod, one, two, far *lab.Host
	proxier                  *Proxier
	rules                    *rules.Ruleset
}

var (
	cluster = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd01::/16")}
	all4    = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
)

// policyOf returns what the node is told.
func policyOf() rules.Policy {
	p := rules.Policy{PublicRanges: all4, NodeName: "here", NodePorts: true, ClusterCIDRs: cluster}
	for i := range 3 {
		p.NodeAddrs = append(p.NodeAddrs, netip.MustParseAddr(fmt.Sprintf("10.1.%d.1", i)), netip.MustParseAddr(fmt.Sprintf("fd01:%d::1", i)))
	}
	p.NodeAddrs = append(p.NodeAddrs, netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1"))
	return p
}

func newFleet(t testing.TB) *fleet {
	l := lab.New(t, "nft")
	f := &fleet{t: t, node: l.Host("node"), pod: l.Host("pod"), one: l.Host("one"), two: l.Host("two"), far: l.Host("far")}
	f.node.Forward()
	// Refusals come at a limited rate, against which redirects count.
	f.node.Sysctl("net/ipv4/icmp_ratelimit", "0")
	f.node.Sysctl("net/ipv6/icmp/ratelimit", "0")
	for i, h := range []*lab.Host{f.pod, f.one, f.two} {
		f.link(l, h, fmt.Sprintf("10.1.%d", i), fmt.Sprintf("fd01:%d::", i))
	}
	f.link(l, f.far, "198.51.100", "2001:db8::")
	f.node.Route("default via 198.51.100.2", "default via 2001:db8::2")
	f.use(Config{ClusterCIDRs: cluster})
	return f
}

func (f *fleet) link(l *lab.Lab, h *lab.Host, net4, net6 string) {
	f.t.Helper()
	l.Link(h, f.node)
	h.Addr("node", net4+".2/24", net6+"2/64")
	f.node.Addr(h.Name(), net4+".1/24", net6+"1/64")
	h.Route("default via "+net4+".1", "default via "+net6+"1")
	for _, a := range []string{net4 + ".2", net6 + "2"} {
		serve(f.t, h, a)
	}
}

// use begins with another configuration, as a new process would.
func (f *fleet) use(cfg Config) {
	f.t.Helper()
	var err error
	f.node.Do(func() { f.proxier, err = New(cfg) })
	if err != nil {
		f.t.Fatal(err)
	}
}

// sync carries out some manifests. The changed frontends are found out, unless
// everything is to be compared.
func (f *fleet) sync(full bool, manifests ...string) {
	f.t.Helper()
	if err := f.try(full, manifests...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) try(full bool, manifests ...string) (err error) {
	old := f.rules
	f.rules = rules.Compile(registrytest.Snapshot(f.t, strings.Join(manifests, "")), policyOf())
	var changed []rules.Frontend
	if !full {
		changed = f.rules.Differing(old)
	}
	f.node.Do(func() { err = f.proxier.Sync(f.t.Context(), f.rules, changed, nil) })
	return err
}

// nft runs nft on the node.
func (f *fleet) nft(args ...string) string {
	f.t.Helper()
	out, err := f.node.Command(f.t.Context(), "nft", args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("nft %q: %v: %s", args, err, out)
	}
	return string(out)
}

// serve answers on port 8080 of an address, TCP and UDP, with that address and
// the client's.
func serve(t testing.TB, h *lab.Host, addr string) {
	t.Helper()
	at := net.JoinHostPort(addr, "8080")
	tcp, err := h.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	udp, err := h.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close(); udp.Close() })
	answer := func(from net.Addr) string {
		return addr + " " + netip.MustParseAddrPort(from.String()).Addr().String()
	}
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, answer(conn.RemoteAddr()))
			conn.Close()
		}
	}()
	go func() {
		for buf := make([]byte, 16); ; {
			_, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo([]byte(answer(from)), from)
		}
	}()
}

const (
	patience = 30 * time.Second       // for what must come
	soon     = 300 * time.Millisecond // for what must not
)

// ask opens a connection and returns who answers, and whom that one takes the
// client for.
func (f *fleet) ask(from *lab.Host, network, to string, patience time.Duration) (server, client netip.Addr, err error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	conn, err := from.Dial(ctx, network, to)
	if err != nil {
		return server, client, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if network == "udp" {
		fmt.Fprint(conn, "?")
	}
	buf := make([]byte, 256)
	n, err := conn.Read(buf)
	if err != nil {
		return server, client, err
	}
	a, b, _ := strings.Cut(string(buf[:n]), " ")
	return netip.MustParseAddr(a), netip.MustParseAddr(b), nil
}

// addrOf returns a host's address of a family.
func (f *fleet) addrOf(h *lab.Host, is4 bool) netip.Addr {
	texts := map[*lab.Host][2]string{
		f.pod: {"fd01:0::2", "10.1.0.2"}, f.one: {"fd01:1::2", "10.1.1.2"}, f.two: {"fd01:2::2", "10.1.2.2"},
		f.far: {"2001:db8::2", "198.51.100.2"}, f.node: {"2001:db8::1", "198.51.100.1"},
	}[h]
	if is4 {
		return netip.MustParseAddr(texts[1])
	}
	return netip.MustParseAddr(texts[0])
}

// check opens a connection and compares what happens with what the rules say.
func (f *fleet) check(from *lab.Host, protocol registry.Protocol, to string) {
	f.t.Helper()
	at := netip.MustParseAddrPort(to)
	client := f.addrOf(from, at.Addr().Is4())
	v := rules.Trace(f.rules, client, rules.Frontend{Addr: at.Addr(), Protocol: protocol, Port: at.Port()})
	wait := patience
	if v.Fate == rules.Dropped {
		wait = soon
	}
	server, seen, err := f.ask(from, strings.ToLower(string(protocol)), to, wait)
	complain := func() {
		f.t.Helper()
		f.t.Errorf("%s from %s to %s: answered by %v as %v, %v; want %v", protocol, from.Name(), to, server, seen, err, v)
	}
	switch v.Fate {
	case rules.Refused:
		if !errors.Is(err, syscall.ECONNREFUSED) {
			complain()
		}
	case rules.Dropped:
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			complain()
		}
	case rules.Sent:
		for _, hop := range v.To {
			if err == nil && hop.Addr() == server && (hop.Masqueraded == (seen != client) || from == f.node) {
				return
			}
		}
		complain()
	default:
		f.t.Errorf("%s to %s is for no service: %v", protocol, to, v)
	}
}

// service returns the manifests of a service "name" whose spec is given, with
// ports t and u that lead to 8080, and endpoints: addresses, with a place after
// them, such as "10.1.1.2@here".
func service(name, spec string, addresses ...string) string {
	text := fmt.Sprintf("---\nkind: Service\napiVersion: v1\nmetadata: {name: %s, namespace: ns}\nspec: {%s}\n", name, spec)
	for _, family := range []string{"IPv4", "IPv6"} {
		var list []string
		for _, a := range addresses {
			addr, place, _ := strings.Cut(a, "@")
			if strings.Contains(addr, ":") == (family == "IPv6") {
				list = append(list, fmt.Sprintf("{addresses: ['%s'], nodeName: '%s'}", addr, place))
			}
		}
		if len(list) > 0 {
			text += fmt.Sprintf("---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: %s\nmetadata: {name: %s-%s, namespace: ns, labels: {kubernetes.io/service-name: %s}}\n"+
				"ports: [{name: t, port: 8080, protocol: TCP}, {name: u, port: 8080, protocol: UDP}]\nendpoints: [%s]\n",
				family, name, strings.ToLower(family), name, strings.Join(list, ", "))
		}
	}
	return text
}

const ports = "ports: [{name: t, port: 80, protocol: TCP, targetPort: 8080}, {name: u, port: 80, protocol: UDP, targetPort: 8080}]"

func nodePorts(number int) string {
	return fmt.Sprintf("ports: [{name: t, port: 80, nodePort: %[1]d, protocol: TCP, targetPort: 8080}, {name: u, port: 80, nodePort: %[1]d, protocol: UDP, targetPort: 8080}]", number)
}

var bothServers = []string{"10.1.1.2@here", "10.1.2.2@there", "fd01:1::2@here", "fd01:2::2@there"}

// The services of TestPackets, and where they are reached.
var cases = []struct {
	name, manifests string
	to              []string
}{
	{"portal IP", service("a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], "+ports, bothServers...), []string{"10.0.0.1:80", "[fd00::1]:80"}},
	{"public address", service("b", "clusterIP: 10.0.0.2, externalIPs: [192.0.2.2, '2001:db8:2::2'], "+ports, bothServers...),
		[]string{"10.0.0.2:80", "192.0.2.2:80", "[2001:db8:2::2]:80"}},
	{"endpoint that connects to itself", service("c", "clusterIP: 10.0.0.3, clusterIPs: [10.0.0.3, 'fd00::3'], "+ports, "10.1.0.2@here", "fd01:0::2@here"),
		[]string{"10.0.0.3:80", "[fd00::3]:80"}},
	{"endpoint outside the cluster", service("d", "clusterIP: 10.0.0.4, clusterIPs: [10.0.0.4, 'fd00::4'], "+ports, "198.51.100.2", "2001:db8::2"),
		[]string{"10.0.0.4:80", "[fd00::4]:80"}},
	{"no endpoints", service("e", "clusterIP: 10.0.0.5, clusterIPs: [10.0.0.5, 'fd00::5'], type: NodePort, externalIPs: [192.0.2.5], "+nodePorts(30005)),
		[]string{"10.0.0.5:80", "[fd00::5]:80", "192.0.2.5:80", "198.51.100.1:30005", "[2001:db8::1]:30005"}},
	{"node port", service("f", "clusterIP: 10.0.0.6, clusterIPs: [10.0.0.6, 'fd00::6'], type: NodePort, "+nodePorts(30006), bothServers...),
		[]string{"198.51.100.1:30006", "10.1.0.1:30006", "[2001:db8::1]:30006", "[fd01:0::1]:30006"}},
	{"Local from outside", service("g", "clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7, 'fd00::7'], type: NodePort, externalTrafficPolicy: Local, externalIPs: [192.0.2.7, '2001:db8:2::7'], "+nodePorts(30007), bothServers...),
		[]string{"10.0.0.7:80", "192.0.2.7:80", "[2001:db8:2::7]:80", "198.51.100.1:30007", "[2001:db8::1]:30007"}},
	{"Local from outside, none here", service("h", "clusterIP: 10.0.0.8, type: NodePort, externalTrafficPolicy: Local, externalIPs: [192.0.2.8], "+nodePorts(30008), "10.1.2.2@there"),
		[]string{"10.0.0.8:80", "192.0.2.8:80", "198.51.100.1:30008"}},
	{"Local from inside, none here", service("i", "clusterIP: 10.0.0.9, internalTrafficPolicy: Local, externalIPs: [192.0.2.9], "+ports, "10.1.2.2@there"),
		[]string{"10.0.0.9:80", "192.0.2.9:80"}},
	{"source ranges", service("j", "clusterIP: 10.0.0.10, clusterIPs: [10.0.0.10, 'fd00::10'], type: LoadBalancer, loadBalancerSourceRanges: [10.1.0.0/30, 203.0.113.0/24, 'fd01:0::/64'], "+ports+"}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.10}, {ip: '2001:db8:2::10'}]}", bothServers...),
		[]string{"10.0.0.10:80", "192.0.2.10:80", "[2001:db8:2::10]:80"}},
	{"source ranges, Local, affinity", service("k", "clusterIP: 10.0.0.11, type: LoadBalancer, externalTrafficPolicy: Local, sessionAffinity: ClientIP, loadBalancerSourceRanges: [198.51.100.0/24], "+ports+"}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.11}]}", bothServers...),
		[]string{"10.0.0.11:80", "192.0.2.11:80"}},
	{"affinity", service("l", "clusterIP: 10.0.0.12, clusterIPs: [10.0.0.12, 'fd00::12'], type: NodePort, sessionAffinity: ClientIP, "+nodePorts(30012), bothServers...),
		[]string{"10.0.0.12:80", "[fd00::12]:80", "198.51.100.1:30012", "[2001:db8::1]:30012"}},
	{"weights", strings.Replace(service("m", "clusterIP: 10.0.0.13, "+ports, bothServers...), "namespace: ns}", "namespace: ns, annotations: {svcreg.io/weights: '10.1.1.2=30,10.1.2.2=7'}}", 1),
		[]string{"10.0.0.13:80"}},
}

// What happens to packets is what the rules say, for every feature, client and
// protocol, with the rules made at once and as a change.
func TestPackets(t *testing.T) {
	f := newFleet(t)
	var manifests []string
	for _, c := range cases {
		manifests = append(manifests, c.manifests)
	}
	for _, full := range []bool{true, false} {
		if !full {
			f.rules = &rules.Ruleset{}
			f.use(Config{ClusterCIDRs: cluster})
			f.nft("flush", "ruleset")
			f.sync(true)
		}
		f.sync(full, manifests...)
		for _, c := range cases {
			t.Run(fmt.Sprint(c.name, " full ", full), func(t *testing.T) {
				f.t = t
				for _, to := range c.to {
					for _, from := range []*lab.Host{f.pod, f.one, f.far, f.node} {
						f.check(from, registry.TCP, to)
						f.check(from, registry.UDP, to)
					}
				}
			})
		}
		f.t = t
	}
}

func TestMain(m *testing.M) {
	if _, err := exec.LookPath("nft"); err != nil {
		_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	}
	os.Exit(m.Run())
}
