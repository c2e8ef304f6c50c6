package test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// stanza is a svcreg stanza for a zone, with the registry below a prefix of
// one member's etcd.
func (s *site) stanza(zone string, member int, prefix string) string {
	return fmt.Sprintf(`	svcreg %s {
		endpoint %s
		path %s
		snapshot %s
		startup_timeout 10ms
	}
`, zone, registrytest.Endpoints(s.members[member])[0], prefix, filepath.Join(s.dir, zone+"snapshot"))
}

// blocks is a Corefile with a server block for each zone.
func blocks(zones, stanzas [2]string) string {
	var corefile string
	for i, stanza := range stanzas {
		corefile += zones[i] + ":53 {\n\terrors\n\tready\n\tprometheus\n" + stanza + "}\n"
	}
	return corefile
}

// zoneOne and zoneTwo each have a registry of their own.
const (
	zoneOne = "one.example."
	zoneTwo = "two.example."
)

// in is the question for a service's portal IP in a zone.
func in(zone, name, ip string) question {
	q := portal(name, ip)
	q.name = name + ".my-ns.svc." + zone
	return q
}

// neighbours are two zones of one DNS server; each has a service web that the
// other hasn't, and an object by the same name with another address.
func neighbours() []question {
	return []question{
		in(zoneOne, "web", "10.0.0.1"), in(zoneTwo, "web", "10.0.2.1"),
		in(zoneOne, "other", ""), in(zoneTwo, "other", "10.0.2.2"),
		{"db.my-ns.svc." + zoneOne, dns.TypeA, "NOERROR 10.1.0.2, 10.1.0.3"}, in(zoneTwo, "db", ""),
	}
}

// Two zones with an etcd each: whatever happens to one, the other follows its
// own, and both are served.
func testTwoClusters(t *testing.T, corefile func(zones, stanzas [2]string) string) {
	s := newSite(t, 1, 1)
	s.write(1, "/registry", service("web", "10.0.2.1"), service("other", "10.0.2.2"))
	s.runDNS(corefile([2]string{zoneOne, zoneTwo}, [2]string{s.stanza(zoneOne, 0, "/registry"), s.stanza(zoneTwo, 1, "/registry")}))
	following := func(zone string, wanted float64) func() error {
		return func() error { return s.metricIs("synced", `zone="`+zone+`"`, wanted) }
	}
	eventually(t, recovery, "zone one is followed", following(zoneOne, 1))
	eventually(t, recovery, "zone two is followed", following(zoneTwo, 1))
	l := startQueries(t, s.host, neighbours()...)

	s.members[0].Kill()
	eventually(t, recovery, "the metrics say so", following(zoneOne, 0))
	s.write(1, "/registry", service("comes", "10.0.2.3"))
	eventually(t, recovery, "zone two goes on", asked(s.host, in(zoneTwo, "comes", "10.0.2.3"), in(zoneOne, "comes", "")))
	if err := following(zoneTwo, 1)(); err != nil {
		t.Errorf("zone two: %v", err)
	}
	s.mustBeReady("with one etcd away")
	l.more()
	l.check("one of two etcds away")

	l = startQueries(t, s.host, neighbours()...)
	s.dns.stop()
	s.dns.start()
	eventually(t, recovery, "DNS answers", asked(s.host, append(neighbours(), in(zoneTwo, "comes", "10.0.2.3"))...))
	eventually(t, recovery, "zone two is followed", following(zoneTwo, 1))
	l.checkNoneWrong("restart with one of two etcds away")

	l = startQueries(t, s.host, neighbours()...)
	s.members[0].Start()
	s.write(0, "/registry", service("comes", "10.0.0.3"))
	eventually(t, recovery, "zone one goes on", asked(s.host, in(zoneOne, "comes", "10.0.0.3"), in(zoneTwo, "comes", "10.0.2.3")))
	l.more()
	l.check("return of one of two etcds")
}

// Two zones with a prefix each of one etcd: neither sees what happens below
// the other's, not even that all of it is deleted.
func testTwoPrefixes(t *testing.T, corefile func(zones, stanzas [2]string) string) {
	s := newSite(t, 1)
	s.write(0, "/registry-two", service("web", "10.0.2.1"), service("other", "10.0.2.2"))
	s.runDNS(corefile([2]string{zoneOne, zoneTwo}, [2]string{s.stanza(zoneOne, 0, "/registry"), s.stanza(zoneTwo, 0, "/registry-two")}))
	eventually(t, recovery, "both zones are served", asked(s.host, neighbours()...))
	l := startQueries(t, s.host, neighbours()...)

	s.write(0, "/registry", service("comes", "10.0.0.3"))
	eventually(t, recovery, "zone one has it", asked(s.host, in(zoneOne, "comes", "10.0.0.3"), in(zoneTwo, "comes", "")))
	l.more()
	l.check("two prefixes of one etcd")

	l = startQueries(t, s.host, in(zoneTwo, "web", "10.0.2.1"), in(zoneTwo, "other", "10.0.2.2"))
	s.do(0, clientv3.OpDelete("/registry/", clientv3.WithPrefix()))
	eventually(t, recovery, "zone one is empty", asked(s.host, in(zoneOne, "web", ""), in(zoneOne, "comes", "")))
	l.more()
	l.check("one of two prefixes emptied")
}

// testOneNeverSeen: a zone whose etcd has never answered says that it can't
// say; the other is served all the same.
func testOneNeverSeen(t *testing.T, corefile func(zones, stanzas [2]string) string) *site {
	s := newSite(t, 1, 1)
	s.write(1, "/registry", service("web", "10.0.2.1"))
	s.members[0].Kill()
	s.runDNS(corefile([2]string{zoneOne, zoneTwo}, [2]string{s.stanza(zoneOne, 0, "/registry"), s.stanza(zoneTwo, 1, "/registry")}))
	unknown := in(zoneOne, "web", "")
	unknown.want = "SERVFAIL"
	eventually(t, recovery, "zone two is served", asked(s.host, unknown, in(zoneTwo, "web", "10.0.2.1")))
	return s
}

// returnOfZoneOne has the etcd that was never seen answer.
func (s *site) returnOfZoneOne() {
	s.t.Helper()
	s.members[0].Start()
	eventually(s.t, recovery, "zone one is served", asked(s.host, in(zoneOne, "web", "10.0.0.1")))
	eventually(s.t, recovery, "it is ready", s.ready)
}

// Each zone has a server block.
func TestDNSServerBlocks(t *testing.T) {
	t.Parallel()
	t.Run("two clusters", func(t *testing.T) { t.Parallel(); testTwoClusters(t, blocks) })
	t.Run("two prefixes", func(t *testing.T) { t.Parallel(); testTwoPrefixes(t, blocks) })
	t.Run("one never seen", func(t *testing.T) { t.Parallel(); testOneNeverSeen(t, blocks).returnOfZoneOne() })
}
