package svcreg

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

const publicManifests = `
kind: Service
apiVersion: v1
metadata: {name: shop, namespace: my-ns}
spec:
  clusterIP: 10.0.0.11
  externalIPs: [203.0.113.1, "2001:db8:1::1"]
  type: LoadBalancer
  ports: [{name: http, port: 80}, {name: https, port: 443}, {port: 99}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.2}, {ip: 203.0.113.1}]}}
---
# Another port of the same public address, as in 2015.
{"kind": "Service", "apiVersion": "v1beta1", "id": "mail", "namespace": "other", "port": 25, "portalIP": "10.0.0.12", "publicIPs": ["203.0.113.1"]}
---
# A namespace called like a label of the schema.
{"kind": "Service", "apiVersion": "v1beta1", "id": "odd", "namespace": "svc", "port": 25, "portalIP": "10.0.0.13", "publicIPs": ["203.0.113.3"]}
---
{"kind": "Service", "apiVersion": "v1beta1", "id": "internal", "namespace": "my-ns", "port": 80, "portalIP": "10.0.0.14"}
---
{"kind": "Service", "apiVersion": "v1beta1", "id": "internal", "namespace": "hidden", "port": 80, "portalIP": "10.0.0.15"}
---
kind: Service
apiVersion: v1
metadata: {name: portless, namespace: my-ns}
spec: {clusterIP: 10.0.0.16, externalIPs: [203.0.113.4]}
---
kind: Service
apiVersion: v1
metadata: {name: alias, namespace: my-ns}
spec: {type: ExternalName, externalName: db.internal.example, externalIPs: [203.0.113.5], ports: [{name: db, port: 1}]}
---
kind: Service
apiVersion: v1
metadata: {name: headless, namespace: my-ns}
spec: {clusterIP: None, externalIPs: [203.0.113.6]}
---
kind: Endpoints
apiVersion: v1
metadata: {name: headless, namespace: my-ns}
subsets: [{addresses: [{ip: 203.0.113.2}, {ip: 192.0.2.1, hostname: one}]}]
`

// withPublic answers for the tests' zones, and for example.org from outside.
func withPublic(t *testing.T, o *options) *testServer {
	t.Helper()
	h := newTestServerOf(o)
	h.update(registrytest.Snapshot(t, publicManifests), nil)
	return h
}

// dumpPublic adds what an index has for clients outside.
func dumpPublic(x *index, all map[string][]string) {
	for k, s := range x.public.services.All() {
		answer, _ := s.records("outside."+k.String(), dns.TypeA, x.ttl)
		all["outside."+k.String()] = texts(answer)
	}
	for namespace, n := range x.public.namespaces.All() {
		all["outside."+namespace] = []string{strconv.Itoa(n)}
	}
	for addr := range x.public.addresses.All() {
		all["outside."+addr.String()] = x.publicNames(addr)
	}
}

func TestPublicZones(t *testing.T) {
	const (
		soa    = "example.org. 5 IN SOA ns.dns.example.org. hostmaster.example.org. 9 7200 1800 86400 5"
		empty  = "NOERROR aa\nns: " + soa
		absent = "NXDOMAIN aa\nns: " + soa
		shop   = "shop.my-ns.example.org."
	)
	h := withPublic(t, &options{zones: theZones, public: []string{"example.org."}, ttl: 5})
	run(t, h, []question{
		{shop, dns.TypeA, lines(shop+" 5 IN A 203.0.113.1", shop+" 5 IN A 203.0.113.2")},
		{shop, dns.TypeAAAA, lines(shop + " 5 IN AAAA 2001:db8:1::1")},
		{"Shop.my-ns.svc.Example.Org.", dns.TypeAAAA, lines("Shop.my-ns.svc.Example.Org. 5 IN AAAA 2001:db8:1::1")},
		{shop, dns.TypeMX, empty},
		{"_https._tcp." + shop, dns.TypeSRV, lines(
			"_https._tcp."+shop+" 5 IN SRV 0 100 443 "+shop,
			"extra: "+shop+" 5 IN A 203.0.113.1", "extra: "+shop+" 5 IN A 203.0.113.2", "extra: "+shop+" 5 IN AAAA 2001:db8:1::1")},
		{"_http._tcp.shop.my-ns.svc.example.org.", dns.TypeSRV, lines(
			"_http._tcp.shop.my-ns.svc.example.org. 5 IN SRV 0 100 80 shop.my-ns.svc.example.org.",
			"extra: shop.my-ns.svc.example.org. 5 IN A 203.0.113.1", "extra: shop.my-ns.svc.example.org. 5 IN A 203.0.113.2",
			"extra: shop.my-ns.svc.example.org. 5 IN AAAA 2001:db8:1::1")},
		{`x\..my-ns.example.org.`, dns.TypeA, absent}, // a label that ends with a dot
		{"_http._tcp." + shop, dns.TypeA, empty},
		{"_tcp." + shop, dns.TypeSRV, empty},
		{"_dns._udp." + shop, dns.TypeSRV, absent},
		{"mail.other.example.org.", dns.TypeA, lines("mail.other.example.org. 5 IN A 203.0.113.1")},
		{"mail.other.example.org.", dns.TypeAAAA, empty},
		{"odd.svc.example.org.", dns.TypeA, lines("odd.svc.example.org. 5 IN A 203.0.113.3")},
		{"odd.svc.svc.example.org.", dns.TypeA, lines("odd.svc.svc.example.org. 5 IN A 203.0.113.3")},
		{"headless.my-ns.example.org.", dns.TypeA, lines("headless.my-ns.example.org. 5 IN A 203.0.113.6")},

		// What is not public isn't there.
		{"internal.my-ns.example.org.", dns.TypeA, absent},
		{"internal.hidden.example.org.", dns.TypeA, absent},
		{"hidden.example.org.", dns.TypeA, absent},
		{"hidden.svc.example.org.", dns.TypeA, absent},
		{"portless.my-ns.example.org.", dns.TypeA, absent},
		{"alias.my-ns.example.org.", dns.TypeA, absent},
		{"one.headless.my-ns.example.org.", dns.TypeA, absent},
		{"192-0-2-1.my-ns.pod.example.org.", dns.TypeA, absent},

		{"my-ns.example.org.", dns.TypeA, empty},
		{"my-ns.svc.example.org.", dns.TypeA, empty},
		{"svc.example.org.", dns.TypeA, empty},
		{"example.org.", dns.TypeA, empty},
		{"example.org.", dns.TypeSOA, lines(soa)},
		{"example.org.", dns.TypeNS, lines("example.org. 5 IN NS ns.dns.example.org.", "extra: ns.dns.example.org. 5 IN A 198.51.100.53")},

		// The stanza's own zones are as ever.
		{"shop.my-ns.svc.cluster.local.", dns.TypeA, lines("shop.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"1.113.0.203.in-addr.arpa.", dns.TypePTR, ptr("1.113.0.203.in-addr.arpa.", "shop.my-ns.example.org.", "mail.other.example.org.")},
		{"2.113.0.203.in-addr.arpa.", dns.TypePTR, ptr("2.113.0.203.in-addr.arpa.", "203-0-113-2.headless.my-ns.svc.cluster.local.")}, // an endpoint first
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, ptr("11.0.0.10.in-addr.arpa.", "shop.my-ns.svc.cluster.local.")},
		{"5.113.0.203.in-addr.arpa.", dns.TypePTR, "NXDOMAIN aa\nns: " + strings.Replace(soaOf("in-addr.arpa."), " 29 ", " 9 ", 1)},
	})
}

// Public names go with their services.
func TestPublicZonesFollowChanges(t *testing.T) {
	h := withPublic(t, &options{zones: theZones, public: []string{"example.org."}, ttl: 5})
	ask := func(name string, qtype uint16) string {
		m := ask(t, h, name, qtype)
		return strings.Join(append(texts(m.Answer), dns.RcodeToString[m.Rcode]), " ")
	}
	s, changes := h.index.Load().snapshot.Apply(20, registry.Delete(registry.Ref{
		Kind: registry.KindService, Key: registry.Key{Namespace: "other", Name: "mail"},
	}))
	h.update(s, changes)
	for name, qtype := range map[string]uint16{"mail.other.example.org.": dns.TypeA, "other.example.org.": dns.TypeA} {
		if got := ask(name, qtype); got != "NXDOMAIN" {
			t.Errorf("%s after its service was deleted: %s", name, got)
		}
	}
	const name = "1.113.0.203.in-addr.arpa."
	if got, want := ask(name, dns.TypePTR), name+"\t5\tIN\tPTR\tshop.my-ns.example.org. NOERROR"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// PTR records of public addresses lead to the first public zone that is not
// the root, and nothing internal shows in a public zone that contains arpa.
func TestPublicRoot(t *testing.T) {
	h := withPublic(t, &options{zones: []string{"cluster.local."}, public: []string{".", "example.org."}, ttl: 5, shortNames: true})
	const soa = ". 5 IN SOA ns.dns. hostmaster. 9 7200 1800 86400 5"
	run(t, h, []question{
		{"shop.my-ns.", dns.TypeAAAA, lines("shop.my-ns. 5 IN AAAA 2001:db8:1::1")},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, "NXDOMAIN aa\nns: " + soa},
		{"10.in-addr.arpa.", dns.TypePTR, "NXDOMAIN aa\nns: " + soa},
	})
	if h.zones.public != "example.org." {
		t.Errorf("PTR records lead to %s", h.zones.public)
	}
}

func TestParsePublic(t *testing.T) {
	const at = "Testfile:2 - Error during parsing: "
	for _, tt := range []struct {
		line, err string
		want      []string
	}{
		{"public example.org", "", []string{"example.org."}},
		{"public Example.ORG. sub.example.org", "", []string{"example.org.", "sub.example.org."}},
		{"public", at + "public: want at least one of ZONES", nil},
		{"public example.org Cluster.Local", at + `public: zone "Cluster.Local": want one that is not among the stanza's zones, in which services have their portal IPs`, nil},
		{"public 203.0.113.0/24", at + `public: zone "203.0.113.0/24": want no reverse zone: public addresses have their names in the stanza's`, nil},
		{"public 10.0.0.0/99x:", at + `public: zone "10.0.0.0/99x:": want a domain name or a network such as 10.0.0.0/24`, nil},
	} {
		t.Run(tt.line, func(t *testing.T) {
			o, err := parseText(t, "svcreg cluster.local {\n"+tt.line+"\n}")
			switch {
			case err != nil:
				if err.Error() != tt.err {
					t.Errorf("got  %v\nwant %s", err, tt.err)
				}
			case tt.err != "" || !cmp.Equal(o.public, tt.want):
				t.Errorf("got %v, want %v, error %s", o.public, tt.want, tt.err)
			}
		})
	}
}
