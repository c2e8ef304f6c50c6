package svcreg

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// from is a handler as a client at some address asks it.
type from struct {
	plugin.Handler
	client net.Addr
}

func (f from) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return f.Handler.ServeDNS(ctx, remote{w, f.client}, r)
}

// remote is a writer to a client at some address.
type remote struct {
	dns.ResponseWriter
	client net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.client }

func udp(addr string) net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 40212))
}

// clientsOf reads lines "CIDR NAMESPACE".
func clientsOf(t testing.TB, lines ...string) (n networks) {
	t.Helper()
	var o options
	for _, line := range lines {
		if err := o.setClientNamespace(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
	}
	return o.clients
}

// bareServer knows clients by their networks, and has the registry of testdata.
func bareServer(t testing.TB, zones ...string) *testServer {
	t.Helper()
	h := newTestServerOf(&options{
		zones: zones, ttl: defaultTTL, shortNames: true,
		clients: clientsOf(t, "192.0.2.0/24 my-ns", "192.0.2.128/25 default", "2001:db8::/64 my-ns"),
	})
	h.update(registrytest.Snapshot(t, manifests), nil)
	return h
}

// A bare name is the service of that name in the client's namespace. Its
// records stand under the name as asked; what they lead to has a name that
// everybody knows.
func TestBareNames(t *testing.T) {
	h := bareServer(t, theZones...)
	run(t, from{h, udp("192.0.2.7")}, []question{
		{"my-service.cluster.local.", dns.TypeA, lines("my-service.cluster.local. 5 IN A 10.0.0.11")},
		{"My-Service.Cluster.Local.", dns.TypeA, lines("My-Service.Cluster.Local. 5 IN A 10.0.0.11")},
		{"my-service.cluster.local.", dns.TypeAAAA, noData},
		{"dual.cluster.local.", dns.TypeAAAA, lines("dual.cluster.local. 5 IN AAAA fd00::12")},
		{"web.cluster.local.", dns.TypeA, lines("web.cluster.local. 5 IN A 192.0.2.1", "web.cluster.local. 5 IN A 192.0.2.2")},
		{"external.cluster.local.", dns.TypeCNAME, lines("external.cluster.local. 5 IN CNAME www.example.org.")},
		{"external.cluster.local.", dns.TypeA, lines("external.cluster.local. 5 IN CNAME www.example.org.", "www.example.org. 300 IN A 203.0.113.80")},
		{"_http._tcp.my-service.cluster.local.", dns.TypeSRV, lines(
			"_http._tcp.my-service.cluster.local. 5 IN SRV 0 100 80 my-service.my-ns.svc.cluster.local.",
			"extra: my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"_metrics._tcp.web.cluster.local.", dns.TypeSRV, lines(
			"_metrics._tcp.web.cluster.local. 5 IN SRV 0 50 9090 192-0-2-2.web.my-ns.svc.cluster.local.",
			"_metrics._tcp.web.cluster.local. 5 IN SRV 0 50 9090 web-0.web.my-ns.svc.cluster.local.",
			"extra: 192-0-2-2.web.my-ns.svc.cluster.local. 5 IN A 192.0.2.2",
			"extra: web-0.web.my-ns.svc.cluster.local. 5 IN A 192.0.2.1",
			"extra: web-0.web.my-ns.svc.cluster.local. 5 IN AAAA 2001:db8::1")},
		{"_http._tcp.my-service.cluster.local.", dns.TypeA, noData},
		{"_tcp.my-service.cluster.local.", dns.TypeSRV, noData},
		{"_none._tcp.my-service.cluster.local.", dns.TypeSRV, nxDomain},
		{"web-0.web.cluster.local.", dns.TypeA, nxDomain}, // that is web-0 in the namespace web
		{"my-service.svc.cluster.local.", dns.TypeA, nxDomain},
		{"my-service.in-addr.arpa.", dns.TypeA, "NXDOMAIN aa\nns: in-addr.arpa. 5 IN SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. 29 7200 1800 86400 5"},
		// What has none is what it was.
		{"redis-master.cluster.local.", dns.TypeA, nxDomain},
		{"unready.cluster.local.", dns.TypeA, nxDomain},
		{"quiet.cluster.local.", dns.TypeA, noData},
		{"cluster.local.", dns.TypeA, noData},
		{"my-service.my-ns.cluster.local.", dns.TypeA, lines("my-service.my-ns.cluster.local. 5 IN A 10.0.0.11")},
	})
}

// It is the client's address that counts: over UDP and TCP, of IPv4 and IPv6,
// and the longest network that it is in.
func TestBareNamesByClient(t *testing.T) {
	h := bareServer(t, theZones...)
	tcp := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 40212}
	for _, client := range []net.Addr{
		udp("192.0.2.0"), udp("192.0.2.127"), tcp, udp("::ffff:192.0.2.7"), udp("2001:db8::7"), udp("2001:db8::7%eth0"), other("192.0.2.7:853"),
	} {
		t.Run(client.String(), func(t *testing.T) {
			run(t, from{h, client}, []question{
				{"my-service.cluster.local.", dns.TypeA, lines("my-service.cluster.local. 5 IN A 10.0.0.11")},
				{"redis-master.cluster.local.", dns.TypeA, nxDomain},
			})
		})
	}
	for _, client := range []net.Addr{udp("192.0.2.128"), udp("192.0.2.255")} {
		run(t, from{h, client}, []question{
			{"my-service.cluster.local.", dns.TypeA, nxDomain},
			{"redis-master.cluster.local.", dns.TypeA, lines("redis-master.cluster.local. 5 IN A 10.0.0.13")},
		})
	}
	for _, client := range []net.Addr{udp("192.0.3.0"), udp("2001:db8:0:1::"), udp("::c000:207"), other("pipe"), nil} {
		run(t, from{h, client}, []question{
			{"my-service.cluster.local.", dns.TypeA, nxDomain},
			{"redis-master.cluster.local.", dns.TypeA, nxDomain},
			{"quiet.cluster.local.", dns.TypeA, noData},
		})
	}
}

// other is the address of a client over some other transport.
type other string

func (other) Network() string  { return "other" }
func (o other) String() string { return string(o) }

// With the zone "." the name is all there is. What is no service still falls
// through, and goes to the next stanza too.
func TestBareNamesInTheRoot(t *testing.T) {
	h := bareServer(t, ".", "cluster.local.")
	h.fall = fall.F{Zones: []string{"."}}
	run(t, from{h, udp("192.0.2.7")}, []question{
		{"my-service.", dns.TypeA, lines("my-service. 5 IN A 10.0.0.11")},
		{"_http._tcp.my-service.", dns.TypeSRV, lines(
			"_http._tcp.my-service. 5 IN SRV 0 100 80 my-service.my-ns.svc.",
			"extra: my-service.my-ns.svc. 5 IN A 10.0.0.11")},
		{"my-service.cluster.local.", dns.TypeA, lines("my-service.cluster.local. 5 IN A 10.0.0.11")},
		{"nothing.", dns.TypeA, "REFUSED"},
		{"org.", dns.TypeA, "REFUSED"},
		{".", dns.TypeA, "REFUSED"},
		{"arpa.", dns.TypeA, "REFUSED"},
	})
	run(t, from{h, udp("198.51.100.7")}, []question{{"my-service.", dns.TypeA, "REFUSED"}})
}

// A service stands at a name before a namespace does, which has nothing but
// names below it; what the zone itself has stands before both.
func TestBareNamesAndOthers(t *testing.T) {
	service := func(name string) *registry.Service {
		return portalService(registry.Key{Namespace: "my-ns", Name: name}, netip.MustParseAddr("10.0.0.1"))
	}
	h := bareServer(t, theZones...)
	h.update(registry.Build(29, service("my-ns"), service("dns"), service("svc"), service("dns-version"), service("ns")), nil)
	run(t, from{h, udp("192.0.2.7")}, []question{
		{"my-ns.cluster.local.", dns.TypeA, lines("my-ns.cluster.local. 5 IN A 10.0.0.1")},
		{"dns.cluster.local.", dns.TypeA, lines("dns.cluster.local. 5 IN A 10.0.0.1")},
		{"svc.cluster.local.", dns.TypeA, lines("svc.cluster.local. 5 IN A 10.0.0.1")},
		{"dns-version.cluster.local.", dns.TypeTXT, lines(`dns-version.cluster.local. 28800 IN TXT "1.1.0"`)},
		{"ns.dns.cluster.local.", dns.TypeA, lines("ns.dns.cluster.local. 5 IN A 198.51.100.53")},
	})
	run(t, from{h, udp("198.51.100.7")}, []question{
		{"my-ns.cluster.local.", dns.TypeA, noData},
		{"dns.cluster.local.", dns.TypeA, noData},
		{"svc.cluster.local.", dns.TypeA, noData},
		{"ns.cluster.local.", dns.TypeA, nxDomain},
	})
}

// They are no short names of services in a namespace, which can be off.
func TestBareNamesWithoutShortNames(t *testing.T) {
	h := bareServer(t, theZones...)
	h.shortNames = false
	run(t, from{h, udp("192.0.2.7")}, []question{
		{"my-service.cluster.local.", dns.TypeA, lines("my-service.cluster.local. 5 IN A 10.0.0.11")},
		{"my-service.my-ns.cluster.local.", dns.TypeA, nxDomain},
	})
}

// A client that no network has may be a pod. Pods that share their host's
// address tell nothing if they are of several namespaces.
func TestClientPods(t *testing.T) {
	const more = `---
kind: Pod
apiVersion: v1
metadata: {name: agent-1, namespace: my-ns}
status: {phase: Running, podIP: 192.0.2.101}
---
kind: Pod
apiVersion: v1
metadata: {name: agent-2, namespace: my-ns}
status: {phase: Running, podIP: 192.0.2.101}
`
	h := newTestServerOf(&options{zones: theZones, ttl: defaultTTL, pods: podsVerified, clients: clientsOf(t, "192.0.2.3/32 given")})
	h.update(registrytest.Snapshot(t, podManifests+more), nil)
	for client, want := range map[string]registry.Key{
		"192.0.2.1":   {Namespace: "my-ns", Name: "one"},
		"2001:db8::1": {Namespace: "my-ns", Name: "one"},
		"192.0.2.2":   {}, // has finished
		"192.0.2.3":   {Namespace: "given", Name: "three"},
		"192.0.2.100": {},
		"192.0.2.101": {Namespace: "my-ns"},
		"192.0.2.9":   {},
	} {
		x, addr := h.index.Load(), netip.MustParseAddr(client)
		got := registry.Key{Namespace: x.clientNamespace(addr), Name: x.clientPod(addr).Name}
		if got != want {
			t.Errorf("%s: got %v, want %v", client, got, want)
		}
	}
	known := newTestServerOf(&options{zones: theZones, pods: podsVerified}) // without networks
	if known.update(registrytest.Snapshot(t, podManifests), nil); known.clientNamespace(remote{client: udp("2001:db8::1%eth0")}) != "my-ns" {
		t.Error("a pod's namespace is not known")
	}
	h.podMode = podsInsecure
	if got := h.index.Load().clientNamespace(netip.MustParseAddr("192.0.2.1")); got != "" {
		t.Errorf("without verified pods a client is in %s", got)
	}
}

func TestParseClientNamespace(t *testing.T) {
	o, err := parseText(t, "svcreg cluster.local {\nclient_namespace 192.0.2.0/24 my-ns\nclient_namespace 2001:db8::/64 my-ns\nclient_namespace 192.0.2.0/28 default\n}")
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Prefix]string{
		netip.MustParsePrefix("192.0.2.0/24"): "my-ns", netip.MustParsePrefix("2001:db8::/64"): "my-ns", netip.MustParsePrefix("192.0.2.0/28"): "default",
	}
	got := map[netip.Prefix]string{}
	for network, namespace := range o.clients.namespaces {
		got[network] = namespace
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
	if slices.Contains(o.kinds(), registry.KindPod) {
		t.Error("pods are watched for clients that are known without")
	}
	const want2 = "client_namespace: want CIDR NAMESPACE, such as 192.0.2.0/24 my-ns"
	for line, want := range map[string]string{
		"client_namespace":                                                 want2,
		"client_namespace 192.0.2.0/24":                                    want2,
		"client_namespace 192.0.2.0/24 a b":                                want2,
		"client_namespace 192.0.2.0 my-ns":                                 `client_namespace: "192.0.2.0": want a CIDR such as 192.0.2.0/24`,
		"client_namespace 192.0.2.0/33 my-ns":                              `client_namespace: "192.0.2.0/33": want a CIDR such as 192.0.2.0/24`,
		"client_namespace ::ffff:192.0.2.0/120 my-ns":                      `client_namespace: "::ffff:192.0.2.0/120": want a CIDR such as 192.0.2.0/24`,
		"client_namespace 192.0.2.1/24 my-ns":                              "client_namespace: 192.0.2.1/24: has bits set behind the prefix: want 192.0.2.0/24",
		"client_namespace 192.0.2.0/24 My-NS":                              `client_namespace: "My-NS": want a NAMESPACE: a DNS label in lower case`,
		"client_namespace 192.0.2.0/24 my.ns":                              `client_namespace: "my.ns": want a NAMESPACE: a DNS label in lower case`,
		"ttl 5\nclient_namespace 192.0.2.0/24":                             want2,
		"client_namespace 192.0.2.0/24 a\nclient_namespace 192.0.2.0/24 b": "client_namespace: 192.0.2.0/24: is given to a already",
	} {
		_, err := parseText(t, "svcreg cluster.local {\n"+line+"\n}")
		if err == nil || !strings.HasSuffix(err.Error(), " - Error during parsing: "+want) {
			t.Errorf("%s: got %v, want %s", line, err, want)
		}
	}
}
