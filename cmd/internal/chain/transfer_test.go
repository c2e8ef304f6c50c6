package chain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// transferOf returns the records of a zone as a server transfers it.
func transferOf(t *testing.T, addr, zone string) []dns.RR {
	t.Helper()
	ch, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr(zone), addr)
	if err != nil {
		t.Fatalf("transfer of %s: %v", zone, err)
	}
	var all []dns.RR
	for envelope := range ch {
		if envelope.Error != nil {
			t.Fatalf("transfer of %s: %v", zone, envelope.Error)
		}
		all = append(all, envelope.RR...)
	}
	return all
}

// rrset is a question that a transfer has the answer to.
type rrset struct {
	name  string
	qtype uint16
}

// answers returns what a server says to questions: the sorted records.
func (s *server) answers(of []rrset) string {
	s.t.Helper()
	var all []string
	for _, q := range of {
		m, err := s.exchange("tcp", q.name, q.qtype, 0)
		if err != nil {
			return err.Error()
		}
		lines := []string{}
		for _, r := range m.Answer {
			lines = append(lines, r.String())
		}
		slices.Sort(lines)
		all = append(all, fmt.Sprintf("%s %d %s\n%s", q.name, q.qtype, dns.RcodeToString[m.Rcode], strings.Join(lines, "\n")))
	}
	return strings.Join(all, "\n\n")
}

// sameAs waits until a server's answers are those of another.
func (s *server) sameAs(other *server, of []rrset) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got, want := s.answers(of), other.answers(of)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("got\n%s\n\nwant\n%s", got, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var transferZones = []string{"cluster.local.", "10.in-addr.arpa.", "example.org."}

// primary is a Corefile that answers for transferZones and transfers them.
func primary(endpoint, to string) string {
	return fmt.Sprintf(`.:0 {
		bind 127.0.0.1
		errors
		transfer %s {
			to %s
		}
		svcreg cluster.local 10.in-addr.arpa {
			endpoint %s
			public example.org
		}
	}`, strings.Join(transferZones, " "), to, endpoint)
}

// A secondary gives the same answers, and hears of changes.
func TestSecondary(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "my-service", "namespace": "my-ns"},
		"spec": {"clusterIP": "10.0.0.11", "externalIPs": ["203.0.113.1"], "ports": [{"name": "http", "port": 80}]}}`)
	etcd.put("specs/my-ns/web", service("web", "None"))
	etcd.put("endpoints/my-ns/web", endpoints("web", "10.1.0.1:80", "10.1.0.2:80"))
	etcd.put("specs/my-ns/alias", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "alias", "namespace": "my-ns"},
		"spec": {"type": "ExternalName", "externalName": "web.my-ns.svc.cluster.local"}}`)
	first := start(t, primary(etcd.Endpoint(), "*"))
	first.want(mySvc, dns.TypeA, "10.0.0.11")

	second := start(t, fmt.Sprintf(".:0 {\nbind 127.0.0.1\nerrors\nsecondary %s {\ntransfer from %s\n}\n}\n",
		strings.Join(transferZones, " "), first.addr("tcp")))
	var names []rrset
	for _, zone := range transferZones {
		for _, r := range transferOf(t, first.addr("tcp").String(), zone) {
			if q := (rrset{r.Header().Name, r.Header().Rrtype}); !slices.Contains(names, q) {
				names = append(names, q)
			}
		}
	}
	if len(names) < 30 {
		t.Errorf("%d names are transferred: %v", len(names), names)
	}
	names = append(names, rrset{"nothing.my-ns.svc.cluster.local.", dns.TypeA}, rrset{mySvc, dns.TypeMX},
		rrset{"_tcp." + mySvc, dns.TypeSRV}, rrset{"my-ns.svc.cluster.local.", dns.TypeA}, rrset{"alias.my-ns.svc.cluster.local.", dns.TypeA},
		rrset{"web.my-ns.svc.example.org.", dns.TypeA})
	second.sameAs(first, names)

	// Now the secondary is known, and it is told.
	if err := first.reload(primary(etcd.Endpoint(), second.addr("udp").String())); err != nil {
		t.Fatal(err)
	}
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.12"))
	etcd.delete("specs/my-ns/alias")
	first.want(mySvc, dns.TypeA, "10.0.0.12")
	second.want(mySvc, dns.TypeA, "10.0.0.12")
	second.sameAs(first, append(names, rrset{"12.0.0.10.in-addr.arpa.", dns.TypePTR}))
}

// A zone larger than a message comes in several; over UDP, and for a registry
// that isn't known, there is no transfer.
func TestTransfers(t *testing.T) {
	etcd := startRegistry(t)
	var many []string
	for i := range 1_000 {
		many = append(many, fmt.Sprintf("10.1.%d.%d:80", i/250, i%250))
	}
	etcd.put("specs/my-ns/my-service", service("my-service", "None"))
	etcd.put("endpoints/my-ns/my-service", endpoints("my-service", many...))
	s := start(t, primary(etcd.Endpoint(), "*"))
	all := transferOf(t, s.addr("tcp").String(), "cluster.local.")
	if want := 5 + 2*2_000; len(all) != want {
		t.Errorf("%d records, want %d", len(all), want)
	}
	soa := all[0].(*dns.SOA)
	if last, ok := all[len(all)-1].(*dns.SOA); !ok || last.Serial != soa.Serial {
		t.Errorf("it begins with %v and ends with %v", soa, all[len(all)-1])
	}

	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	m, _, err := c.Exchange(new(dns.Msg).SetIxfr("cluster.local.", soa.Serial, soa.Ns, soa.Mbox), s.addr("tcp").String())
	if err != nil || len(m.Answer) != 1 || m.Answer[0].(*dns.SOA).Serial != soa.Serial {
		t.Errorf("IXFR of the newest serial: got %v, error %v, want the SOA record alone", m, err)
	}
	c.Net = "udp"
	m, _, err = c.Exchange(new(dns.Msg).SetAxfr("cluster.local."), s.addr("udp").String())
	if err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("AXFR over UDP: got %v, error %v", m, err)
	}

	etcd.Stop()
	s.stop() // a new one would go on with what it knows
	unknown := start(t, strings.Replace(primary(etcd.Endpoint(), "*"), "public", "startup_timeout 10ms\npublic", 1))
	c.Net = "tcp"
	m, _, err = c.Exchange(new(dns.Msg).SetAxfr("cluster.local."), unknown.addr("tcp").String())
	if err != nil || m.Rcode != dns.RcodeServerFailure {
		t.Errorf("AXFR of a registry that is not known: got %v, error %v", m, err)
	}
}
