package svcreg

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// This file is DNS-Based Service Discovery 1.1.0, point by point: a question,
// and the whole answer to it. The registry that it is about stands in
// testdata/specification.yaml.

//go:embed testdata/specification.yaml
var specification string

const (
	svc      = ".my-ns.svc.cluster.local."
	portal   = "my-service" + svc
	headless = "headless" + svc
	// The portal IPs' and endpoints' names in the reverse tree.
	portal4   = "11.0.0.10.in-addr.arpa."
	portal6   = "1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa."
	endpoint6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
)

// What there is to say about names, and kinds of records, that aren't there.
var (
	specSOA = strings.Replace(clusterSOA, " 29 ", " 22 ", 1)
	missing = "NXDOMAIN aa\nns: " + specSOA // the name doesn't exist
	nothing = "NOERROR aa\nns: " + specSOA  // it exists, without such a record
)

// in is what there is to say in another zone.
func in(zone, answer string) string { return strings.Replace(answer, "cluster.local.", zone, 3) }

// Point 1: names are compared without regard to case. (RFC 4343 asks for no
// more; that the answer repeats the name as it was written, below which the
// targets of SRV records stand, is what resolvers rely on that mix the case at
// random, "0x20".)
var point1 = []question{
	{"My-SERVICE.my-NS.SVC.Cluster.Local.", dns.TypeA, lines("My-SERVICE.my-NS.SVC.Cluster.Local. 5 IN A 10.0.0.11")},
	{"mY-hOST.hEADLESS.my-ns.svc.cluster.local.", dns.TypeAAAA, lines("mY-hOST.hEADLESS.my-ns.svc.cluster.local. 5 IN AAAA 2001:db8::1")},
	{"_HTTPS._TCP.Six.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
		"_HTTPS._TCP.Six.my-ns.svc.cluster.local. 5 IN SRV 0 100 443 Six.my-ns.svc.cluster.local.",
		"extra: Six.my-ns.svc.cluster.local. 5 IN AAAA fd00::6")},
	{"_PEER._udp.Headless.my-ns.svc.CLUSTER.local.", dns.TypeSRV, lines(
		"_PEER._udp.Headless.my-ns.svc.CLUSTER.local. 5 IN SRV 0 50 2380 192-0-2-3.Headless.my-ns.svc.CLUSTER.local.",
		"_PEER._udp.Headless.my-ns.svc.CLUSTER.local. 5 IN SRV 0 50 2380 my-host.Headless.my-ns.svc.CLUSTER.local.",
		"extra: 192-0-2-3.Headless.my-ns.svc.CLUSTER.local. 5 IN A 192.0.2.3",
		"extra: my-host.Headless.my-ns.svc.CLUSTER.local. 5 IN A 192.0.2.1",
		"extra: my-host.Headless.my-ns.svc.CLUSTER.local. 5 IN A 192.0.2.2",
		"extra: my-host.Headless.my-ns.svc.CLUSTER.local. 5 IN AAAA 2001:db8::1")},
	{"11.0.0.10.In-Addr.ARPA.", dns.TypePTR, ptr("11.0.0.10.In-Addr.ARPA.", portal)},
	{strings.ToUpper(portal6), dns.TypePTR, ptr(strings.ToUpper(portal6), portal)},
	{"External" + svc, dns.TypeA, lines("External"+svc+" 5 IN CNAME www.example.org.", "www.example.org. 300 IN A 203.0.113.80")},
	{"DNS-Version.Cluster.Local.", dns.TypeTXT, lines(`DNS-Version.Cluster.Local. 28800 IN TXT "1.1.0"`)},
	{"NoSuch" + strings.ToUpper(svc), dns.TypeA, missing}, // the question is repeated, as ask checks
}

// Point 2: the version of the schema.
var point2 = []question{
	{"dns-version.cluster.local.", dns.TypeTXT, lines(`dns-version.cluster.local. 28800 IN TXT "1.1.0"`)},
	{"dns-version.cluster.local.", dns.TypeA, nothing},
	{"x.dns-version.cluster.local.", dns.TypeTXT, missing},
}

// Point 3: a service with a portal IP has it under its name.
var point3 = []question{
	{portal, dns.TypeA, lines(portal + " 5 IN A 10.0.0.11")},
	{portal, dns.TypeAAAA, lines(portal + " 5 IN AAAA fd00::11")},
	{"four" + svc, dns.TypeA, lines("four" + svc + " 5 IN A 10.0.0.4")},
	{"four" + svc, dns.TypeAAAA, nothing},
	{"six" + svc, dns.TypeA, nothing},
	{"six" + svc, dns.TypeAAAA, lines("six" + svc + " 5 IN AAAA fd00::6")},
	// Its endpoints have no names.
	{"hidden." + portal, dns.TypeA, missing},
	{"192-0-2-111." + portal, dns.TypeA, missing},
}

// Point 4: its named ports have SRV records, which lead to its name.
var point4 = []question{
	{"_https._tcp." + portal, dns.TypeSRV, lines(
		"_https._tcp."+portal+" 5 IN SRV 0 100 443 "+portal,
		"extra: "+portal+" 5 IN A 10.0.0.11",
		"extra: "+portal+" 5 IN AAAA fd00::11")},
	{"_dns._udp." + portal, dns.TypeSRV, lines(
		"_dns._udp."+portal+" 5 IN SRV 0 100 53 "+portal,
		"extra: "+portal+" 5 IN A 10.0.0.11",
		"extra: "+portal+" 5 IN AAAA fd00::11")},
	{"_https._tcp.six" + svc, dns.TypeSRV, lines(
		"_https._tcp.six"+svc+" 5 IN SRV 0 100 443 six"+svc,
		"extra: six"+svc+" 5 IN AAAA fd00::6")},
	{"_https._udp." + portal, dns.TypeSRV, missing},
	{"_dns._tcp." + portal, dns.TypeSRV, missing},
	{"_http._tcp." + portal, dns.TypeSRV, missing},
	{"https._tcp." + portal, dns.TypeSRV, missing},
	{"_https.tcp." + portal, dns.TypeSRV, missing},
	// A port without a name has none, nor a number for one.
	{"_._tcp." + portal, dns.TypeSRV, missing},
	{"_99._tcp." + portal, dns.TypeSRV, missing},
	{"_._tcp.four" + svc, dns.TypeSRV, missing},
	{"_tcp.four" + svc, dns.TypeSRV, missing},
	{portal, dns.TypeSRV, nothing},
}

// Point 5: its portal IPs lead back to its name.
var point5 = []question{
	{portal4, dns.TypePTR, ptr(portal4, portal)},
	{portal6, dns.TypePTR, ptr(portal6, portal)},
	{"4.0.0.10.in-addr.arpa.", dns.TypePTR, ptr("4.0.0.10.in-addr.arpa.", "four"+svc)},
	{"12.0.0.10.in-addr.arpa.", dns.TypePTR, in("in-addr.arpa.", missing)},
	{"2" + portal6[1:], dns.TypePTR, in("ip6.arpa.", missing)},
}

// Point 6: a headless service has the addresses of its ready endpoints. If
// none is ready it does not exist.
var point6 = []question{
	{headless, dns.TypeA, lines(headless+" 5 IN A 192.0.2.1", headless+" 5 IN A 192.0.2.2", headless+" 5 IN A 192.0.2.3")},
	{headless, dns.TypeAAAA, lines(headless+" 5 IN AAAA 2001:db8::1", headless+" 5 IN AAAA 2001:db8::3")},
	{"unready" + svc, dns.TypeA, missing},
	{"unready" + svc, dns.TypeAAAA, missing},
	{"_https._tcp.unready" + svc, dns.TypeSRV, missing},
	{"192-0-2-9.unready" + svc, dns.TypeA, missing},
	{"9.2.0.192.in-addr.arpa.", dns.TypePTR, in("in-addr.arpa.", missing)},
	// The API, not the specification, has services that are published sooner.
	{"eager" + svc, dns.TypeA, lines("eager" + svc + " 5 IN A 192.0.2.10")},
}

// Point 7: each endpoint has a name: its hostname, else one that is made of
// its address.
var point7 = []question{
	{"my-host." + headless, dns.TypeA, lines("my-host."+headless+" 5 IN A 192.0.2.1", "my-host."+headless+" 5 IN A 192.0.2.2")},
	{"my-host." + headless, dns.TypeAAAA, lines("my-host." + headless + " 5 IN AAAA 2001:db8::1")},
	{"192-0-2-3." + headless, dns.TypeA, lines("192-0-2-3." + headless + " 5 IN A 192.0.2.3")},
	{"192-0-2-3." + headless, dns.TypeAAAA, nothing},
	{"2001-db8--3." + headless, dns.TypeAAAA, lines("2001-db8--3." + headless + " 5 IN AAAA 2001:db8::3")},
	{"2001-db8--3." + headless, dns.TypeA, nothing},
	{"192-0-2-1." + headless, dns.TypeA, missing}, // it has a hostname
	{"away." + headless, dns.TypeA, missing},      // it isn't ready
	{"x.my-host." + headless, dns.TypeA, missing},
}

// Point 8: a headless service's named ports have an SRV record for each
// endpoint that serves them, which leads to its name.
var point8 = []question{
	{"_https._tcp." + headless, dns.TypeSRV, lines(
		"_https._tcp."+headless+" 5 IN SRV 0 33 8443 192-0-2-3."+headless,
		"_https._tcp."+headless+" 5 IN SRV 0 33 8443 2001-db8--3."+headless,
		"_https._tcp."+headless+" 5 IN SRV 0 33 8443 my-host."+headless,
		"extra: 192-0-2-3."+headless+" 5 IN A 192.0.2.3",
		"extra: 2001-db8--3."+headless+" 5 IN AAAA 2001:db8::3",
		"extra: my-host."+headless+" 5 IN A 192.0.2.1",
		"extra: my-host."+headless+" 5 IN A 192.0.2.2",
		"extra: my-host."+headless+" 5 IN AAAA 2001:db8::1")},
	{"_peer._udp." + headless, dns.TypeSRV, lines( // of the IPv4 slice only
		"_peer._udp."+headless+" 5 IN SRV 0 50 2380 192-0-2-3."+headless,
		"_peer._udp."+headless+" 5 IN SRV 0 50 2380 my-host."+headless,
		"extra: 192-0-2-3."+headless+" 5 IN A 192.0.2.3",
		"extra: my-host."+headless+" 5 IN A 192.0.2.1",
		"extra: my-host."+headless+" 5 IN A 192.0.2.2",
		"extra: my-host."+headless+" 5 IN AAAA 2001:db8::1")},
	{"_peer._tcp." + headless, dns.TypeSRV, missing},
	{"_._tcp." + headless, dns.TypeSRV, missing},
	{"_https._tcp.portless-headless" + svc, dns.TypeSRV, missing},
}

// Point 9: a headless service's endpoints lead back to their names in it.
var point9 = []question{
	{"3.2.0.192.in-addr.arpa.", dns.TypePTR, ptr("3.2.0.192.in-addr.arpa.", "192-0-2-3."+headless)},
	{"2.2.0.192.in-addr.arpa.", dns.TypePTR, ptr("2.2.0.192.in-addr.arpa.", "my-host."+headless)},
	{endpoint6, dns.TypePTR, ptr(endpoint6, "my-host."+headless)},
	{"1.2.0.192.in-addr.arpa.", dns.TypePTR, ptr("1.2.0.192.in-addr.arpa.", // of two services
		"my-host."+headless, "other-name.portless-headless"+svc)},
	{"4.2.0.192.in-addr.arpa.", dns.TypePTR, in("in-addr.arpa.", missing)},   // it isn't ready
	{"111.2.0.192.in-addr.arpa.", dns.TypePTR, in("in-addr.arpa.", missing)}, // its service isn't headless
}

// Point 10: a service that stands for a name outside is an alias of that,
// which is followed.
var point10 = []question{
	{"external" + svc, dns.TypeA, lines("external"+svc+" 5 IN CNAME www.example.org.", "www.example.org. 300 IN A 203.0.113.80")},
	{"external" + svc, dns.TypeCNAME, lines("external" + svc + " 5 IN CNAME www.example.org.")},
	{"external" + svc, dns.TypeAAAA, lines("external"+svc+" 5 IN CNAME www.example.org.",
		"ns: example.org. 300 IN SOA ns.example.org. root.example.org. 1 2 3 4 5")},
	{"external-inside" + svc, dns.TypeAAAA, lines("external-inside"+svc+" 5 IN CNAME "+portal, portal+" 5 IN AAAA fd00::11")},
	{"external-gone" + svc, dns.TypeA, "NXDOMAIN aa\nexternal-gone" + svc + " 5 IN CNAME gone.example.org."},
	{"x.external" + svc, dns.TypeA, missing},
}

// Point 11: more than the specification has. The names of pods, and of
// services for clients outside, are in tests of their own.
var point11 = []question{
	// Names of 2015, without "svc".
	{"my-service.my-ns.cluster.local.", dns.TypeA, lines("my-service.my-ns.cluster.local. 5 IN A 10.0.0.11")},
	{"my-host.headless.my-ns.cluster.local.", dns.TypeAAAA, lines("my-host.headless.my-ns.cluster.local. 5 IN AAAA 2001:db8::1")},
	{"_https._tcp.six.my-ns.cluster.local.", dns.TypeSRV, lines(
		"_https._tcp.six.my-ns.cluster.local. 5 IN SRV 0 100 443 six.my-ns.cluster.local.",
		"extra: six.my-ns.cluster.local. 5 IN AAAA fd00::6")},
	// The zone itself, and its server.
	{"cluster.local.", dns.TypeSOA, lines(specSOA)},
	{"cluster.local.", dns.TypeNS, lines("cluster.local. 5 IN NS ns.dns.cluster.local.", "extra: ns.dns.cluster.local. 5 IN A 198.51.100.53")},
	{"ns.dns.cluster.local.", dns.TypeA, lines("ns.dns.cluster.local. 5 IN A 198.51.100.53")},
	// Any one type, as RFC 8482 has it.
	{portal, dns.TypeANY, lines(portal + " 5 IN A 10.0.0.11")},
	{portal4, dns.TypeANY, ptr(portal4, portal)},
}

// The corners that the specification leaves, as CoreDNS's kubernetes plugin
// settled them.
var corners = []question{
	// A name that exists is never denied, whatever it is asked for.
	{portal, dns.TypeMX, nothing},
	{portal, dns.TypeCNAME, nothing},
	{portal, dns.TypeTXT, nothing},
	{headless, dns.TypeSRV, nothing},
	{"my-host." + headless, dns.TypeSRV, nothing},
	{"_https._tcp." + portal, dns.TypeA, nothing},
	{portal4, dns.TypeA, in("in-addr.arpa.", nothing)},
	{"cluster.local.", dns.TypeA, nothing},
	// That includes names that are there because something is below them (RFC 8020).
	{"svc.cluster.local.", dns.TypeA, nothing},
	{"my-ns.svc.cluster.local.", dns.TypeA, nothing},
	{"quiet.svc.cluster.local.", dns.TypeA, nothing},
	{"_tcp." + portal, dns.TypeSRV, nothing},
	{"_udp." + headless, dns.TypeSRV, nothing},
	{"0.10.in-addr.arpa.", dns.TypeNS, in("in-addr.arpa.", nothing)},
	{"d.f.ip6.arpa.", dns.TypePTR, in("ip6.arpa.", nothing)},
	{"_sctp." + portal, dns.TypeSRV, missing},
	{"nowhere.svc.cluster.local.", dns.TypeA, missing},
	{"my-service.nowhere.svc.cluster.local.", dns.TypeA, missing},
	// A portal IP without ports behind it serves nothing.
	{"portless" + svc, dns.TypeA, missing},
	{"14.0.0.10.in-addr.arpa.", dns.TypePTR, in("in-addr.arpa.", missing)},
	// An address is no name (coredns/coredns#2164 and #2324).
	{"external-four" + svc, dns.TypeA, missing},
	{"external-six" + svc, dns.TypeCNAME, missing},
	// The portal IP's PTR record comes before those of endpoints.
	{"portal.chained" + svc, dns.TypeA, lines("portal.chained" + svc + " 5 IN A 10.0.0.11")},
	{portal4, dns.TypePTR, ptr(portal4, portal)},
	// Endpoints without a port have addresses, and names, all the same.
	{"portless-headless" + svc, dns.TypeA, lines("portless-headless" + svc + " 5 IN A 192.0.2.1")},
	{"other-name.portless-headless" + svc, dns.TypeA, lines("other-name.portless-headless" + svc + " 5 IN A 192.0.2.1")},
}

func TestSpecification(t *testing.T) {
	h := newTestServer(theZones...)
	h.update(registrytest.Snapshot(t, specification), nil)
	for _, point := range []struct {
		name      string
		questions []question
	}{
		{"1 case", point1},
		{"2 schema version", point2},
		{"3 portal IP", point3},
		{"4 SRV of a portal IP", point4},
		{"5 PTR of a portal IP", point5},
		{"6 headless", point6},
		{"7 endpoint names", point7},
		{"8 SRV of a headless service", point8},
		{"9 PTR of endpoints", point9},
		{"10 external name", point10},
		{"11 a superset", point11},
		{"corners", corners},
	} {
		t.Run(point.name, func(t *testing.T) { run(t, h, point.questions) })
	}
}

// Until the registry is known nobody can say that a name does not exist.
func TestSpecificationUnsynced(t *testing.T) {
	h := newTestServer(theZones...)
	h.fall = fall.Root
	for _, questions := range [][]question{point1, point2, point3, point4, point5, point6, point7, point8, point9, point10, point11, corners} {
		for _, q := range questions {
			if got := text(ask(t, h, q.name, q.qtype)); got != "SERVFAIL" {
				t.Errorf("%s %s: %s", q.name, dns.TypeToString[q.qtype], got)
			}
		}
	}
}

// Two that claim one portal IP: its PTR record leads to whoever came first.
func TestSpecificationContestedPortalIP(t *testing.T) {
	const both = `
{"kind": "Service", "apiVersion": "v1beta1", "id": "z-first", "namespace": "default", "port": 80, "portalIP": "10.0.0.1"}
---
{"kind": "Service", "apiVersion": "v1beta1", "id": "a-second", "namespace": "default", "port": 80, "portalIP": "10.0.0.1"}
`
	h := newTestServer(theZones...)
	h.update(registrytest.Snapshot(t, both), nil)
	run(t, h, []question{
		{"1.0.0.10.in-addr.arpa.", dns.TypePTR, ptr("1.0.0.10.in-addr.arpa.", "z-first.default.svc.cluster.local.")},
	})
}
