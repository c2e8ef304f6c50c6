package svcreg

import (
	"errors"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/transfer"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// transferred returns all records that a transfer of a zone has, as text.
func transferred(t *testing.T, h *handler, zone string, serial uint32) []string {
	t.Helper()
	ch, err := h.Transfer(zone, serial)
	if err != nil {
		t.Fatalf("transfer of %s: %v", zone, err)
	}
	var all []string
	for batch := range ch {
		for _, r := range batch {
			all = append(all, strings.Join(strings.Fields(r.String()), " "))
		}
	}
	return all
}

const xfrManifests = `
kind: Service
apiVersion: v1
metadata: {name: web, namespace: b}
spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, "fd00::1"], externalIPs: [203.0.113.1], ports: [{name: http, port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: db, namespace: a}
spec: {clusterIP: None, ports: [{name: db, port: 5432}]}
---
{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "db", "namespace": "a"},
 "subsets": [{"addresses": [{"ip": "192.0.2.1", "hostname": "db-0"}, {"ip": "10.0.0.9"}], "ports": [{"name": "db", "port": 5432}]}]}
---
kind: Service
apiVersion: v1
metadata: {name: away, namespace: a}
spec: {type: ExternalName, externalName: www.example.com}
---
# Its short name is the name server's, and its long one is not.
{"kind": "Service", "apiVersion": "v1beta1", "id": "ns", "namespace": "dns", "port": 80, "portalIP": "10.0.1.1"}
`

func forTransfer(t *testing.T, short bool) *testServer {
	t.Helper()
	h := newTestServerOf(&options{
		zones: []string{"cluster.local.", "0.0.10.in-addr.arpa.", "b.cluster.local."}, public: []string{"example.org."},
		ttl: 5, shortNames: short,
	})
	h.update(registrytest.Snapshot(t, xfrManifests), nil)
	return h
}

// A transfer has every name, each with all of its records.
func TestTransfer(t *testing.T) {
	soa := func(zone string) string { return strings.Replace(soaOf(zone), " 29 ", " 5 ", 1) }
	origin := func(zone string) []string {
		return []string{
			soa(zone), zone + " 5 IN NS ns.dns." + zone, "ns.dns." + zone + " 5 IN A 198.51.100.53",
			"dns-version." + zone + ` 28800 IN TXT "1.1.0"`,
		}
	}
	for _, tt := range []struct {
		zone  string
		short bool
		want  []string
	}{
		{"cluster.local.", false, []string{
			"away.a.svc.cluster.local. 5 IN CNAME www.example.com.",
			"db.a.svc.cluster.local. 5 IN A 192.0.2.1",
			"db.a.svc.cluster.local. 5 IN A 10.0.0.9",
			"10-0-0-9.db.a.svc.cluster.local. 5 IN A 10.0.0.9",
			"db-0.db.a.svc.cluster.local. 5 IN A 192.0.2.1",
			"_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 10-0-0-9.db.a.svc.cluster.local.",
			"_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.a.svc.cluster.local.",
			"web.b.svc.cluster.local. 5 IN A 10.0.0.1",
			"web.b.svc.cluster.local. 5 IN AAAA fd00::1",
			"_http._tcp.web.b.svc.cluster.local. 5 IN SRV 0 100 80 web.b.svc.cluster.local.",
			"ns.dns.svc.cluster.local. 5 IN A 10.0.1.1",
		}},
		{"cluster.local.", true, []string{
			"away.a.svc.cluster.local. 5 IN CNAME www.example.com.",
			"away.a.cluster.local. 5 IN CNAME www.example.com.",
			"db.a.svc.cluster.local. 5 IN A 192.0.2.1",
			"db.a.svc.cluster.local. 5 IN A 10.0.0.9",
			"10-0-0-9.db.a.svc.cluster.local. 5 IN A 10.0.0.9",
			"db-0.db.a.svc.cluster.local. 5 IN A 192.0.2.1",
			"_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 10-0-0-9.db.a.svc.cluster.local.",
			"_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.a.svc.cluster.local.",
			"db.a.cluster.local. 5 IN A 192.0.2.1",
			"db.a.cluster.local. 5 IN A 10.0.0.9",
			"10-0-0-9.db.a.cluster.local. 5 IN A 10.0.0.9",
			"db-0.db.a.cluster.local. 5 IN A 192.0.2.1",
			"_db._tcp.db.a.cluster.local. 5 IN SRV 0 50 5432 10-0-0-9.db.a.cluster.local.",
			"_db._tcp.db.a.cluster.local. 5 IN SRV 0 50 5432 db-0.db.a.cluster.local.",
			"web.b.svc.cluster.local. 5 IN A 10.0.0.1",
			"web.b.svc.cluster.local. 5 IN AAAA fd00::1",
			"_http._tcp.web.b.svc.cluster.local. 5 IN SRV 0 100 80 web.b.svc.cluster.local.",
			// web.b.cluster.local belongs to another zone,
			"ns.dns.svc.cluster.local. 5 IN A 10.0.1.1",
			// and ns.dns.cluster.local is the server.
		}},
		{"example.org.", false, []string{
			"web.b.svc.example.org. 5 IN A 203.0.113.1",
			"_http._tcp.web.b.svc.example.org. 5 IN SRV 0 100 80 web.b.svc.example.org.",
			"web.b.example.org. 5 IN A 203.0.113.1",
			"_http._tcp.web.b.example.org. 5 IN SRV 0 100 80 web.b.example.org.",
		}},
		{"0.0.10.in-addr.arpa.", true, []string{
			"1.0.0.10.in-addr.arpa. 5 IN PTR web.b.svc.cluster.local.",
			"9.0.0.10.in-addr.arpa. 5 IN PTR 10-0-0-9.db.a.svc.cluster.local.",
		}},
	} {
		want := append(append(origin(tt.zone), tt.want...), soa(tt.zone))
		if diff := cmp.Diff(want, transferred(t, forTransfer(t, tt.short).handler, tt.zone, 0)); diff != "" {
			t.Errorf("%s, short names %v (-want +got):\n%s", tt.zone, tt.short, diff)
		}
	}
}

// The root contains the reverse zones, and a public root does not.
func TestTransferOfRoot(t *testing.T) {
	for _, o := range []*options{
		{zones: []string{"."}, ttl: 5},
		{zones: []string{"x.example."}, public: []string{"."}, ttl: 5},
	} {
		h := newTestServerOf(o)
		h.update(registrytest.Snapshot(t, xfrManifests), nil)
		ptr := 0
		for _, r := range transferred(t, h.handler, ".", 0) {
			if strings.Contains(r, " PTR ") {
				ptr++
			}
		}
		if want := 5 * (1 - len(o.public)); ptr != want {
			t.Errorf("%+v: %d PTR records, want %d", o.zones, ptr, want)
		}
	}
}

// Who has the newest serial, or a newer one, gets no more than that.
func TestTransferSerial(t *testing.T) {
	h := newTestServer("cluster.local.")
	const current = 3<<32 + 100 // a revision needs more than 32 bits one day
	h.update(registry.Build(current), nil)
	for _, tt := range []struct {
		serial uint32
		want   int
	}{
		{0, 5}, {1, 5}, {99, 5}, {100, 1}, {101, 1}, {1<<31 + 99, 1}, {1<<31 + 101, 5}, {1<<32 - 1, 5},
	} {
		if got := transferred(t, h.handler, "cluster.local.", tt.serial); len(got) != tt.want {
			t.Errorf("from serial %d: %d records, want %d:\n%s", tt.serial, len(got), tt.want, strings.Join(got, "\n"))
		}
	}
}

func TestTransferRefused(t *testing.T) {
	h := newTestServer(theZones...)
	if _, err := h.Transfer("cluster.local.", 0); err == nil || errors.Is(err, transfer.ErrNotAuthoritative) {
		t.Errorf("a registry that is not known: got %v, want an error that keeps others from answering", err)
	}
	h.update(registrytest.Snapshot(t, manifests), nil)
	for _, zone := range []string{"example.org.", "my-ns.svc.cluster.local.", "local.", ".", "10.in-addr.arpa."} {
		if _, err := h.Transfer(zone, 0); !errors.Is(err, transfer.ErrNotAuthoritative) {
			t.Errorf("%s: got %v, want %v", zone, err, transfer.ErrNotAuthoritative)
		}
	}
}

// A large zone comes in batches, all of one revision, whatever happens
// meanwhile.
func TestTransferOfManyServices(t *testing.T) {
	h := newTestServer("cluster.local.")
	h.update(fleet(1_000), nil)
	ch, err := h.Transfer("cluster.local.", 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []dns.RR
	for batch := range ch {
		if len(batch) > transferBatch+50 {
			t.Errorf("a batch of %d records", len(batch))
		}
		all = append(all, batch...)
		h.update(registry.Build(2), nil)
	}
	// Of ten services nine have an address and a port; one has five of each,
	// and five names. All have two forms; the origin has five records.
	if want := 5 + 2*(900*2+100*15); len(all) != want {
		t.Errorf("%d records, want %d", len(all), want)
	}
	for _, r := range []dns.RR{all[0], all[len(all)-1]} {
		if soa, ok := r.(*dns.SOA); !ok || soa.Serial != 1 {
			t.Errorf("got %v at an end, want the SOA record of revision 1", r)
		}
	}
}

// What a transfer says is what the server answers.
func TestTransferIsWhatIsAnswered(t *testing.T) {
	h := newTestServerOf(&options{zones: theZones, public: []string{"example.org."}, ttl: 5, shortNames: true})
	h.update(registrytest.Snapshot(t, manifests), nil)
	for _, zone := range []string{"cluster.local.", "in-addr.arpa.", "ip6.arpa.", "example.org."} {
		type rrset struct {
			owner string
			qtype uint16
		}
		sets := map[rrset][]string{}
		ch, err := h.Transfer(zone, 0)
		if err != nil {
			t.Fatal(err)
		}
		for batch := range ch {
			for _, r := range batch {
				id := rrset{r.Header().Name, r.Header().Rrtype}
				sets[id] = appendNew(sets[id], r.String())
			}
		}
		for id, want := range sets {
			if diff := cmp.Diff(want, texts(ask(t, h, id.owner, id.qtype).Answer)); diff != "" {
				t.Errorf("%s %s (-transfer +answer):\n%s", id.owner, dns.TypeToString[id.qtype], diff)
			}
		}
	}
}
