package svcreg

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// spread has services whose endpoints are in several topology zones.
const spread = `
kind: Service
apiVersion: v1
metadata: {name: db, namespace: prod}
spec: {clusterIP: None, ports: [{name: sql, port: 3306}, {port: 9104}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: db-4, namespace: prod, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 3306}, {name: "", port: 9104}]
endpoints:
- {addresses: [192.0.2.1], zone: us-west-2a}
- {addresses: [192.0.2.2], zone: US-West-2b, hostname: two}
- {addresses: [192.0.2.3], zone: us-west-2b}
- {addresses: [192.0.2.4], zone: us-west-2c, conditions: {ready: false}}
- {addresses: [192.0.2.5], zone: corp.example.org}
- {addresses: [192.0.2.6]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: db-6, namespace: prod, labels: {kubernetes.io/service-name: db}}
addressType: IPv6
ports: [{name: sql, port: 3306}]
endpoints:
- {addresses: ["2001:db8::1"], zone: us-west-2a}
- {addresses: ["2001:db8::2"], zone: us-west-2c, hostname: two}
---
kind: Service
apiVersion: v1
metadata: {name: down, namespace: prod}
spec: {clusterIP: None, ports: [{name: sql, port: 3306}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: down-1, namespace: prod, labels: {kubernetes.io/service-name: down}}
addressType: IPv4
endpoints:
- {addresses: [192.0.2.7], zone: us-west-2a, conditions: {ready: false}}
---
kind: Service
apiVersion: v1
metadata: {name: eager, namespace: prod}
spec: {clusterIP: None, publishNotReadyAddresses: true}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: eager-1, namespace: prod, labels: {kubernetes.io/service-name: eager}}
addressType: IPv4
endpoints:
- {addresses: [192.0.2.8], zone: us-west-2a, conditions: {ready: false}}
- {addresses: [192.0.2.9], zone: us-west-2b}
---
kind: Service
apiVersion: v1
metadata: {name: portal, namespace: prod}
spec: {clusterIP: 10.0.2.1, ports: [{name: sql, port: 3306}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: portal-1, namespace: prod, labels: {kubernetes.io/service-name: portal}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1], zone: us-west-2a}]
---
kind: Service
apiVersion: v1
metadata: {name: outside, namespace: prod}
spec: {type: ExternalName, externalName: www.example.org, clusterIP: None}
`

func TestZonal(t *testing.T) {
	check(t, filtered(t, "zonal", spread), map[string]string{
		"us-west-2a.pin._zone.db.prod.svc":       "A 192.0.2.1",
		"us-west-2b.pin._zone.db.prod.svc":       "A 192.0.2.2, A 192.0.2.3",
		"US-WEST-2B.Pin._Zone.db.prod.svc":       "A 192.0.2.2, A 192.0.2.3",
		"corp.example.org.pin._zone.db.prod.svc": "A 192.0.2.5",
		"us-west-2b.pin._zone.db.prod":           "A 192.0.2.2, A 192.0.2.3", // for short

		// No endpoint of the zone is ready, or has an address of the family,
		// or there is no such zone.
		"us-west-2c.pin._zone.db.prod.svc": "NODATA", // IPv6 only
		"us-west-2d.pin._zone.db.prod.svc": "NODATA",
		"example.org.pin._zone.db.prod":    "NODATA",

		"us-west-2a.prefer._zone.db.prod.svc":       "A 192.0.2.1",
		"corp.example.org.prefer._zone.db.prod.svc": "A 192.0.2.5",
		"us-west-2c.prefer._zone.db.prod.svc":       "NODATA", // it has one, if of IPv6
		"us-west-2d.prefer._zone.db.prod.svc":       "A 192.0.2.1, A 192.0.2.2, A 192.0.2.3, A 192.0.2.5, A 192.0.2.6",
		"us-west-2d.prefer._zone.db.prod":           "A 192.0.2.1, A 192.0.2.2, A 192.0.2.3, A 192.0.2.5, A 192.0.2.6",

		// What is in between exists; nothing else does.
		"_zone.db.prod.svc": "NODATA", "pin._zone.db.prod.svc": "NODATA", "prefer._zone.db.prod": "NODATA",
		"florp._zone.db.prod.svc": "NXDOMAIN", "us-west-2a.florp._zone.db.prod.svc": "NXDOMAIN",
		"us-west-2a.pin.db.prod.svc": "NXDOMAIN", "us-west-2a.pin._zones.db.prod.svc": "NXDOMAIN",
		"us-west-2a._zone.db.prod.svc": "NXDOMAIN",
		`x\.pin._zone.db.prod.svc`:     "NXDOMAIN", `us-west-2a.pin\._zone.db.prod.svc`: "NXDOMAIN",

		// The service has a name, and is headless.
		"us-west-2a.pin._zone.down.prod.svc": "NXDOMAIN", "us-west-2a.prefer._zone.down.prod.svc": "NXDOMAIN",
		"us-west-2a.pin._zone.eager.prod.svc": "A 192.0.2.8", "us-west-2c.prefer._zone.eager.prod.svc": "A 192.0.2.8, A 192.0.2.9",
		"us-west-2a.pin._zone.portal.prod.svc": "NXDOMAIN", "us-west-2a.prefer._zone.portal.prod.svc": "NXDOMAIN",
		"_zone.portal.prod.svc":                 "NXDOMAIN",
		"us-west-2a.pin._zone.outside.prod.svc": "NXDOMAIN", "_zone.outside.prod.svc": "NXDOMAIN",
		"us-west-2a.pin._zone.ghost.prod.svc": "NXDOMAIN", "us-west-2a.pin._zone.db.nowhere.svc": "NXDOMAIN",
		"us-west-2a.pin._zone.db.prod.pod": "NXDOMAIN",
	})
}

// Whole messages of every type.
func TestZonalRecords(t *testing.T) {
	const (
		db   = "db.prod.svc.cluster.local."
		a    = "us-west-2a.pin._zone." + db
		b    = "us-west-2b.pin._zone." + db
		c    = "us-west-2c.pin._zone." + db
		none = "us-west-2d.pin._zone." + db
		all  = "US-West-2D.prefer._zone." + db
	)
	h := filtered(t, "zonal", spread)
	revision := fmt.Sprintf(" %d ", h.index.Load().snapshot.Revision())
	noData := strings.Replace("NOERROR aa\nns: "+clusterSOA, " 29 ", revision, 1)
	run(t, h, []question{
		{a, dns.TypeA, lines(a + " 5 IN A 192.0.2.1")},
		{a, dns.TypeAAAA, lines(a + " 5 IN AAAA 2001:db8::1")},
		{a, dns.TypeANY, lines(a + " 5 IN A 192.0.2.1")},
		{c, dns.TypeANY, lines(c + " 5 IN AAAA 2001:db8::2")},
		{a, dns.TypeTXT, noData},
		{b, dns.TypeAAAA, noData},
		{none, dns.TypeAAAA, noData},
		{none, dns.TypeSRV, noData},
		{none, dns.TypeTXT, noData},
		{all, dns.TypeTXT, noData},
		{b, dns.TypeSRV, lines(
			b+" 5 IN SRV 0 25 3306 192-0-2-3."+db,
			b+" 5 IN SRV 0 25 9104 192-0-2-3."+db,
			b+" 5 IN SRV 0 25 3306 two."+db,
			b+" 5 IN SRV 0 25 9104 two."+db,
			"extra: 192-0-2-3."+db+" 5 IN A 192.0.2.3",
			"extra: two."+db+" 5 IN A 192.0.2.2")}, // and none of the other zone's
		{a, dns.TypeSRV, lines(
			a+" 5 IN SRV 0 33 3306 192-0-2-1."+db,
			a+" 5 IN SRV 0 33 9104 192-0-2-1."+db,
			a+" 5 IN SRV 0 33 3306 2001-db8--1."+db,
			"extra: 192-0-2-1."+db+" 5 IN A 192.0.2.1",
			"extra: 2001-db8--1."+db+" 5 IN AAAA 2001:db8::1")},
		{"us-west-2c.pin._zone.db.prod.cluster.local.", dns.TypeSRV, lines(
			"us-west-2c.pin._zone.db.prod.cluster.local. 5 IN SRV 0 100 3306 two.db.prod.cluster.local.",
			"extra: two.db.prod.cluster.local. 5 IN AAAA 2001:db8::2")},
		{all, dns.TypeAAAA, lines(all+" 5 IN AAAA 2001:db8::1", all+" 5 IN AAAA 2001:db8::2")},
		{"us-west-2a.pin._zone.eager.prod.svc.cluster.local.", dns.TypeSRV, noData}, // no ports
	})
	if got := ask(t, h, all, dns.TypeSRV); len(got.Answer) != 11 || len(got.Extra) != 7 {
		t.Errorf("%s: %d SRV records and %d addresses, want 11 and 7", all, len(got.Answer), len(got.Extra))
	}
}

// Elsewhere there are no such names.
func TestZonalElsewhere(t *testing.T) {
	const name = "us-west-2a.pin._zone.db.prod"
	for properties, want := range map[string]map[string]string{
		"":                           {name + ".svc": "NXDOMAIN", name: "NXDOMAIN", "_zone.db.prod.svc": "NXDOMAIN"},
		"zonal":                      {name + ".svc": "A 192.0.2.1"},
		"zonal\nshort_names off":     {name: "NXDOMAIN", name + ".svc": "A 192.0.2.1"},
		"zonal\nnamespaces other":    {name + ".svc": "NXDOMAIN", name: "NXDOMAIN"},
		"zonal\nlabels role=x":       {name + ".svc": "NXDOMAIN", name: "NXDOMAIN"},
		"zonal\npublic out.example.": {name + ".svc": "A 192.0.2.1"},
	} {
		check(t, filtered(t, properties, spread), want)
	}
	h := filtered(t, "zonal\npublic out.example", strings.Replace(spread, "{clusterIP: None, ports", "{clusterIP: None, externalIPs: [198.51.100.1], ports", 1))
	if got := ask(t, h, "db.prod.out.example.", dns.TypeA); len(got.Answer) != 1 {
		t.Errorf("the service is not public: %v", got)
	}
	if got := ask(t, h, name+".out.example.", dns.TypeA); got.Rcode != dns.RcodeNameError {
		t.Errorf("a public zone has a zonal name: %v", got)
	}
	for owner := range h.index.Load().all(&h.zones.longest[0]) {
		if strings.Contains(owner, "_zone") {
			t.Errorf("%s is among all names", owner)
		}
	}
	root := newTestServerOf(&options{zones: []string{"."}, ttl: 5, shortNames: true, endpoints: endpointRules{zonal: true}})
	root.update(registrytest.Snapshot(t, spread), nil)
	run(t, root, []question{{name + ".", dns.TypeA, lines(name + ". 5 IN A 192.0.2.1")}})
}

// Endpoints have pods' names in SRV records too.
func TestZonalPodNames(t *testing.T) {
	objects := strings.ReplaceAll(spread, "{addresses: [192.0.2.1], zone", "{addresses: [192.0.2.1], targetRef: {kind: Pod, name: db-0}, zone")
	m := ask(t, filtered(t, "zonal\nendpoint_pod_names", objects), "us-west-2a.pin._zone.db.prod.svc.cluster.local.", dns.TypeSRV)
	var targets []string
	for _, r := range m.Answer {
		targets = append(targets, r.(*dns.SRV).Target)
	}
	if got, want := strings.Join(targets, " "), "2001-db8--1.db.prod.svc.cluster.local. db-0.db.prod.svc.cluster.local. db-0.db.prod.svc.cluster.local."; got != want {
		t.Errorf("targets %s, want %s", got, want)
	}
}

// An endpoint that moves, drains or goes changes the answers at once.
func TestZonalFollowsEndpoints(t *testing.T) {
	h := filtered(t, "zonal", "")
	s, k := &registry.Snapshot{}, registry.Key{Namespace: "prod", Name: "db"}
	service := portalService(k, netip.MustParseAddr("10.0.0.1"))
	headless := *service
	headless.Headless, headless.PortalIPs = true, nil
	endpoints := func(zones ...string) registry.Change {
		e := headlessEndpoints(k, len(zones))
		for i := range zones {
			endpoint := &e.Subsets[0].Endpoints[i]
			endpoint.Zone, endpoint.Ready = strings.CutSuffix(zones[i], " ready")
		}
		return registry.Put(e)
	}
	for i, step := range []struct {
		change           registry.Change
		a, b, preferredB string
	}{
		{registry.Put(&headless), "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"},
		{endpoints("a ready", "b"), "A 100.64.0.0", "NODATA", "A 100.64.0.0"},
		{endpoints("a ready", "b ready"), "A 100.64.0.0", "A 100.64.0.1", "A 100.64.0.1"},
		{endpoints("b ready", "b ready"), "NODATA", "A 100.64.0.0, A 100.64.0.1", "A 100.64.0.0, A 100.64.0.1"},
		{endpoints("b", "b"), "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"},
		{endpoints(" ready"), "NODATA", "NODATA", "A 100.64.0.0"}, // in no zone
		{registry.Put(service), "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"},
		{registry.Put(&headless), "NODATA", "NODATA", "A 100.64.0.0"},
		{registry.Delete(headless.Ref()), "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"},
	} {
		var changes *registry.Changes
		s, changes = s.Apply(int64(i+1), step.change)
		h.update(s, changes)
		check(t, h, map[string]string{
			"a.pin._zone.db.prod.svc": step.a, "b.pin._zone.db.prod.svc": step.b, "b.prefer._zone.db.prod.svc": step.preferredB,
		})
	}
}

func TestParseZonal(t *testing.T) {
	if got := optionsOf(t, "zonal").endpoints; got != (endpointRules{zonal: true}) {
		t.Errorf("got %+v", got)
	}
	for _, tt := range []struct{ properties, want string }{
		{"zonal us-west-2a", `zonal: "us-west-2a": want no argument`},
		{"zonal\nnoendpoints", "noendpoints and zonal: want one of them; the latter needs endpoints"},
	} {
		_, err := parseText(t, "svcreg cluster.local {\n"+tt.properties+"\n}")
		if err == nil || !strings.HasSuffix(err.Error(), " - Error during parsing: "+tt.want) {
			t.Errorf("%q: got  %v\nwant %s", tt.properties, err, tt.want)
		}
	}
}

// BenchmarkZonal is a query for a tenth of a service's 1,000 endpoints, which
// is answered from the snapshot, beside one for all of them, and one that asks
// for a name that doesn't exist.
func BenchmarkZonal(b *testing.B) {
	k := registry.Key{Namespace: "ns", Name: "big"}
	service := portalService(k, netip.Addr{})
	service.Headless, service.PortalIPs = true, nil
	endpoints := headlessEndpoints(k, 1000)
	for i := range endpoints.Subsets[0].Endpoints {
		endpoints.Subsets[0].Endpoints[i].Zone = fmt.Sprintf("zone-%d", i%10)
	}
	h := newTestServerOf(optionsOf(b, "zonal"))
	h.update(registry.Build(1, service, endpoints), nil)
	const name = "big.ns.svc.cluster.local."
	for _, q := range []struct {
		name, qname string
		qtype       uint16
	}{
		{"all A", name, dns.TypeA},
		{"pin A", "zone-3.pin._zone." + name, dns.TypeA},
		{"prefer A", "zone-99.prefer._zone." + name, dns.TypeA},
		{"all SRV", "_http._tcp." + name, dns.TypeSRV},
		{"pin SRV", "zone-3.pin._zone." + name, dns.TypeSRV},
		{"prefer SRV", "zone-99.prefer._zone." + name, dns.TypeSRV},
		{"NXDOMAIN", "zone-3.florp._zone." + name, dns.TypeA},
	} {
		b.Run(q.name, func(b *testing.B) {
			r := new(dns.Msg).SetQuestion(q.qname, q.qtype)
			w := &test.ResponseWriter{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.ServeDNS(b.Context(), w, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
