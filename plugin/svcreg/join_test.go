package svcreg

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// hostManifests has headless services with endpoints that are host names.
const hostManifests = `
kind: Service
apiVersion: v1
metadata: {name: one, namespace: my-ns}
spec: {clusterIP: None, ports: [{name: db, port: 5432}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: one, namespace: my-ns, labels: {kubernetes.io/service-name: one}}
addressType: FQDN
ports: [{name: db, port: 5432}]
endpoints: [{addresses: [DB.example.net], zone: east}, {addresses: [down.example.net], conditions: {ready: false}}]
---
kind: Service
apiVersion: v1
metadata: {name: mixed, namespace: my-ns}
spec: {clusterIP: None, ports: [{name: db, port: 5432}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: mixed-1, namespace: my-ns, labels: {kubernetes.io/service-name: mixed}}
addressType: FQDN
ports: [{name: db, port: 5432}]
endpoints: [{addresses: [www.example.net]}, {addresses: [db.example.net], hostname: first}, {addresses: [gone.example.net]}]
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: mixed-2, namespace: my-ns, labels: {kubernetes.io/service-name: mixed}}
addressType: IPv4
ports: [{name: db, port: 5433}]
endpoints: [{addresses: [192.0.2.1]}, {addresses: [203.0.113.7]}, {addresses: [192.0.2.2], hostname: first}]
---
kind: Service
apiVersion: v1
metadata: {name: lost, namespace: my-ns}
spec: {clusterIP: None}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: lost, namespace: my-ns, labels: {kubernetes.io/service-name: lost}}
addressType: FQDN
endpoints: [{addresses: [gone.example.net]}, {addresses: [broken.example.net]}]
---
kind: Service
apiVersion: v1
metadata: {name: nowhere, namespace: my-ns}
spec: {clusterIP: None}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: nowhere, namespace: my-ns, labels: {kubernetes.io/service-name: nowhere}}
addressType: FQDN
endpoints: [{addresses: [gone.example.net]}, {addresses: [gone-too.example.net]}]
---
kind: Service
apiVersion: v1
metadata: {name: loop, namespace: my-ns}
spec: {clusterIP: None}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: loop, namespace: my-ns, labels: {kubernetes.io/service-name: loop}}
addressType: FQDN
endpoints: [{addresses: [loop.my-ns.svc.cluster.local]}, {addresses: [loop.my-ns.cluster.local]}, {addresses: [db.example.net]}]
`

// outside looks up names of example.net, and those of a handler's zones.
type outside struct {
	internet
	lookups atomic.Int32
}

func (o *outside) Lookup(ctx context.Context, state request.Request, name string, qtype uint16) (*dns.Msg, error) {
	o.lookups.Add(1)
	if !strings.HasSuffix(name, "example.net.") {
		return o.internet.Lookup(ctx, state, name, qtype)
	}
	m := new(dns.Msg).SetReply(state.Req)
	add := func(records ...string) {
		for _, r := range records {
			rr, err := dns.NewRR(r)
			if err != nil {
				panic(err) // a record above is none
			}
			if t := rr.Header().Rrtype; t == qtype || t == dns.TypeCNAME {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	switch name {
	case "db.example.net.":
		add("db.example.net. 300 IN A 203.0.113.8", "db.example.net. 300 IN AAAA 2001:db8::8")
	case "www.example.net.":
		add("www.example.net. 3 IN CNAME web.example.net.", "web.example.net. 300 IN A 203.0.113.7", "web.example.net. 300 IN A 203.0.113.6")
	case "gone.example.net.", "gone-too.example.net.":
		m.Rcode = dns.RcodeNameError
	default:
		return nil, errors.New("no answer")
	}
	return m, nil
}

func withHosts(t *testing.T) (*testServer, *outside) {
	t.Helper()
	h := newTestServerOf(&options{zones: []string{"cluster.local."}, ttl: defaultTTL, shortNames: true, endpoints: endpointRules{zonal: true}})
	h.update(registrytest.Snapshot(t, hostManifests), nil)
	o := &outside{internet: internet{h}}
	h.upstream = o
	return h, o
}

func hostSOA(s string) string {
	return strings.ReplaceAll(s, "SOA", strings.Replace(clusterSOA, " 29 ", " 11 ", 1))
}

// A headless service's endpoint may be a name: an alias, if it is the only one.
func TestEndpointHosts(t *testing.T) {
	const (
		one   = "one.my-ns.svc.cluster.local."
		mixed = "mixed.my-ns.svc.cluster.local."
	)
	h, _ := withHosts(t)
	run(t, h, []question{
		{one, dns.TypeA, lines(one+" 5 IN CNAME db.example.net.", "db.example.net. 300 IN A 203.0.113.8")},
		{"One.my-ns.cluster.local.", dns.TypeAAAA, lines("One.my-ns.cluster.local. 5 IN CNAME db.example.net.", "db.example.net. 300 IN AAAA 2001:db8::8")},
		{one, dns.TypeCNAME, lines(one + " 5 IN CNAME db.example.net.")},
		{"db-example-net." + one, dns.TypeA, lines("db-example-net."+one+" 5 IN CNAME db.example.net.", "db.example.net. 300 IN A 203.0.113.8")},
		{"down-example-net." + one, dns.TypeA, hostSOA(nxDomain)},
		{"_db._tcp." + one, dns.TypeSRV, lines("_db._tcp." + one + " 5 IN SRV 0 100 5432 db.example.net.")},

		// Several, and addresses: all under the service's name, for as long as
		// the shortest of them holds.
		{mixed, dns.TypeA, lines(mixed+" 3 IN A 192.0.2.1", mixed+" 3 IN A 203.0.113.7", mixed+" 3 IN A 192.0.2.2",
			mixed+" 3 IN A 203.0.113.8", mixed+" 3 IN A 203.0.113.6")},
		{mixed, dns.TypeAAAA, lines(mixed + " 5 IN AAAA 2001:db8::8")},
		{mixed, dns.TypeCNAME, hostSOA(noData)},
		{mixed, dns.TypeMX, hostSOA(noData)},
		{mixed, dns.TypeANY, lines(mixed+" 5 IN A 192.0.2.1", mixed+" 5 IN A 203.0.113.7", mixed+" 5 IN A 192.0.2.2")},
		{"www-example-net." + mixed, dns.TypeCNAME, lines("www-example-net." + mixed + " 5 IN CNAME www.example.net.")},
		{"first." + mixed, dns.TypeA, lines("first."+mixed+" 5 IN A 192.0.2.2", "first."+mixed+" 5 IN A 203.0.113.8")},
		{"db-example-net." + mixed, dns.TypeA, hostSOA(nxDomain)}, // it has a hostname
		{"_db._tcp." + mixed, dns.TypeSRV, lines(
			"_db._tcp."+mixed+" 5 IN SRV 0 16 5433 192-0-2-1."+mixed,
			"_db._tcp."+mixed+" 5 IN SRV 0 16 5433 203-0-113-7."+mixed,
			"_db._tcp."+mixed+" 5 IN SRV 0 16 5432 first."+mixed,
			"_db._tcp."+mixed+" 5 IN SRV 0 16 5433 first."+mixed,
			"_db._tcp."+mixed+" 5 IN SRV 0 16 5432 gone.example.net.",
			"_db._tcp."+mixed+" 5 IN SRV 0 16 5432 www.example.net.",
			"extra: 192-0-2-1."+mixed+" 5 IN A 192.0.2.1",
			"extra: 203-0-113-7."+mixed+" 5 IN A 203.0.113.7",
			"extra: first."+mixed+" 5 IN A 192.0.2.2")},

		{"east.pin._zone." + one, dns.TypeA, lines("east.pin._zone." + one + " 5 IN A 203.0.113.8")},
		{"east.pin._zone." + one, dns.TypeCNAME, hostSOA(noData)},
		{"east.pin._zone." + one, dns.TypeSRV, lines("east.pin._zone." + one + " 5 IN SRV 0 100 5432 db.example.net.")},
		{"lost.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL aa"},      // one of two could not be looked up
		{"nowhere.my-ns.svc.cluster.local.", dns.TypeA, hostSOA(noData)}, // nobody is there
	})
}

// Names that lead to each other end, and what else they lead to is answered.
func TestEndpointHostLoop(t *testing.T) {
	h, upstream := withHosts(t)
	const loop = "loop.my-ns.svc.cluster.local."
	run(t, h, []question{{loop, dns.TypeA, lines(loop + " 5 IN A 203.0.113.8")}})
	if n := upstream.lookups.Load(); n > maxLookups {
		t.Errorf("%d lookups for one question, want at most %d", n, maxLookups)
	}
}

func TestDashedName(t *testing.T) {
	long := strings.Repeat("x", 40)
	for _, tt := range []struct{ host, want string }{
		{"DB.example.net.", "db-example-net"},
		{"_db.example.net", "_db-example-net"},
		{`odd\.name.example.net`, "odd--name-example-net"},
		{long + ".a." + long + ".example", long + "-a-" + strings.Repeat("x", 11) + "-fcf9d672"},
		{long + ".b." + long + ".example", long + "-b-" + strings.Repeat("x", 11) + "-b0a77525"},
	} {
		got := dashedName(tt.host)
		if got != tt.want || !isLabel(got) {
			t.Errorf("dashedName(%s) = %s, want %s", tt.host, got, tt.want)
		}
	}
}

// Where two names have the same label it leads to both.
func TestHostsWithOneLabel(t *testing.T) {
	e := &registry.Entry{
		Service: &registry.Service{Meta: registry.Meta{Key: registry.Key{Namespace: "ns", Name: "s"}}, Headless: true},
		Subsets: []registry.Subset{{Endpoints: []registry.Endpoint{
			{Host: "b-c.example.net", Ready: true}, {Host: "b.c.example.net", Ready: true}, {Host: "192.0.2.1", Ready: true}, {Ready: true},
		}}},
	}
	s := newHeadless(e, &endpointRules{})
	want := []string{"b-c.example.net.", "b.c.example.net."}
	if len(s.hosts) != 1 || !cmp.Equal(s.hosts[0].aliases, want) || !cmp.Equal(s.aliases, want) || len(s.addrs) != 0 {
		t.Errorf("got %+v", s)
	}
}
