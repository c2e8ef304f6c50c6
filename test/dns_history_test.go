package test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// etcd is restarted and changed out of reach, and forgets how it came to what
// it holds: the changes show all the same.
func TestDNSAfterCompaction(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.write(0, "/registry", service("moves", "10.0.0.7"), service("goes", "10.0.0.8"))
	s.startDNS(s.corefile())
	l := startQueries(t, s.host, always...)
	l.more()

	s.lab.Unplug("lan", s.host)
	s.members[0].Kill() // so that no connection outlives the gap
	s.members[0].Start()
	s.write(0, "/registry", service("moves", "10.0.0.9"), service("comes", "10.0.0.10"))
	s.remove(0, "/registry", service("goes", ""))
	s.compact(0)
	s.lab.Plug("lan", s.host)

	eventually(t, recovery, "what changed shows",
		asked(s.host, portal("moves", "10.0.0.9"), portal("goes", ""), portal("comes", "10.0.0.10")))
	eventually(t, recovery, "DNS follows etcd", s.follows(true))
	l.more()
	l.check("etcd compacted")
	t.Logf("a watch met the compaction: %v", strings.Contains(s.dns.output.String(), "compacted"))
}

// compact has etcd forget everything but what is now.
func (s *site) compact(member int) {
	s.t.Helper()
	client := s.members[member].Connect()
	now, err := client.Get(s.t.Context(), "/")
	if err == nil {
		_, err = client.Compact(s.t.Context(), now.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil {
		s.t.Fatalf("compact etcd: %v", err)
	}
}

// etcd is restored from a backup, as the cluster it was or as another one:
// what the backup has is served, and what didn't change in between was served
// all the time.
func TestDNSAfterRestore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		members int
		id      registrytest.Identity
	}{
		{"same cluster", 1, registrytest.SameCluster},
		{"other cluster", 1, registrytest.OtherCluster},
		{"same cluster of 3", 3, registrytest.SameCluster},
		{"other cluster of 3", 3, registrytest.OtherCluster},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.members)
			s.write(0, "/registry", service("moves", "10.0.0.7"), service("goes", "10.0.0.8"))
			s.startDNS(s.corefile())
			l := startQueries(t, s.host, always...)
			backup := s.members[0].Backup()
			s.write(0, "/registry", service("moves", "10.0.0.9"), service("comes", "10.0.0.10"))
			s.remove(0, "/registry", service("goes", ""))
			eventually(t, recovery, "changes show",
				asked(s.host, portal("moves", "10.0.0.9"), portal("goes", ""), portal("comes", "10.0.0.10")))
			l.more()

			registrytest.Restore(s.members, backup, test.id)
			eventually(t, recovery, "the backup shows",
				asked(s.host, portal("moves", "10.0.0.7"), portal("goes", "10.0.0.8"), portal("comes", "")))
			eventually(t, recovery, "DNS follows etcd", s.follows(true))
			s.write(0, "/registry", service("moves", "10.0.0.11"))
			eventually(t, recovery, "a later change shows", asked(s.host, portal("moves", "10.0.0.11")))
			l.more()
			l.check("etcd restored as the " + test.name)
		})
	}
}

// etcd is restored out of reach and written to until it is past the revision
// that was seen: what the backup lacks goes all the same.
func TestDNSAfterRestoreAndMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.startDNS(s.corefile())
	l := startQueries(t, s.host, always...)
	backup := s.members[0].Backup()
	s.write(0, "/registry", service("goes", "10.0.0.8"))
	eventually(t, recovery, "a change shows", asked(s.host, portal("goes", "10.0.0.8")))

	s.lab.Unplug("lan", s.host)
	registrytest.Restore(s.members, backup, registrytest.SameCluster)
	for i := range 5 {
		s.write(0, "/registry", service("comes", fmt.Sprintf("10.0.0.%d", 10+i)))
	}
	s.lab.Plug("lan", s.host)
	eventually(t, recovery, "what is there now shows", asked(s.host, portal("goes", ""), portal("comes", "10.0.0.14")))
	l.more()
	l.check("etcd restored and written to out of reach")
}

// etcd comes back with nothing, as after the loss of its disk: everything is
// still served, also by a DNS server that starts only now, and the metrics say
// that etcd isn't followed. Once it is restored all is as before.
func TestDNSAfterLossOfData(t *testing.T) {
	t.Parallel()
	for _, id := range []registrytest.Identity{registrytest.SameCluster, registrytest.OtherCluster} {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			s.startDNS(s.corefile())
			backup := s.members[0].Backup()
			l := startQueries(t, s.host, always...)
			registrytest.Empty(s.members, id)
			eventually(t, recovery, "it says why it doesn't follow etcd", s.says("etcd has lost its data"))
			eventually(t, recovery, "the metrics say so", s.follows(false))
			l.more()
			s.mustBeReady("with etcd's data lost")
			l.check("etcd's data lost")

			l = startQueries(t, s.host, always...)
			s.dns.stop()
			s.dns.start()
			eventually(t, recovery, "DNS answers", asked(s.host, always...))
			l.more()
			l.checkNoneWrong("restart with etcd's data lost")

			l = startQueries(t, s.host, always...)
			registrytest.Restore(s.members, backup, id)
			eventually(t, recovery, "DNS follows etcd", s.follows(true))
			s.write(0, "/registry", service("comes", "10.0.0.10"))
			eventually(t, recovery, "a change shows", asked(s.host, portal("comes", "10.0.0.10")))
			l.more()
			l.check("etcd restored after the loss of its data")
		})
	}
}

// says returns a check of whether the DNS server's log has some text.
func (s *site) says(text string) func() error {
	return func() error {
		if said := s.dns.output.String(); !strings.Contains(said, text) {
			return errors.New(said)
		}
		return nil
	}
}

// Somebody deletes all of the registry, in sight of the DNS server or while it
// is cut off. That is the truth: the names are gone, the zone is not.
func TestDNSAfterDeletionOfEverything(t *testing.T) {
	t.Parallel()
	for _, seen := range []bool{true, false} {
		t.Run(map[bool]string{true: "in sight", false: "while cut off"}[seen], func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			s.startDNS(s.corefile())
			l := startQueries(t, s.host,
				question{"dns-version.cluster.local.", dns.TypeTXT, `NOERROR "1.1.0"`},
				question{"ns.dns.cluster.local.", dns.TypeA, "NOERROR 192.0.2.1"},
				portal("nothing", ""))
			if !seen {
				s.lab.Unplug("lan", s.host)
				eventually(t, recovery, "DNS doesn't follow etcd", s.follows(false))
			}
			s.do(0, clientv3.OpDelete("/registry/", clientv3.WithPrefix()))
			if !seen {
				l.more()
				if err := asked(s.host, always...)(); err != nil {
					t.Errorf("with everything deleted out of sight: %v", err)
				}
				s.lab.Plug("lan", s.host)
			}
			eventually(t, recovery, "the names are gone", asked(s.host, portal("web", ""), portal("db", "")))
			eventually(t, recovery, "DNS follows etcd", s.follows(true))
			s.mustBeReady("with an empty registry")
			s.write(0, "/registry", stock...)
			eventually(t, recovery, "they are back", asked(s.host, always...))
			l.more()
			l.check("everything deleted")
		})
	}
}
