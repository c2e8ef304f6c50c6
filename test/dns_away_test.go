package test

import (
	"fmt"
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

// etcd goes away in every way there is, and comes back: nobody who asks
// notices, and what changed meanwhile shows.
func TestDNSWithEtcdAway(t *testing.T) {
	t.Parallel()
	cut := func(s *site) { s.lab.Unplug("lan", s.host) }
	mend := func(s *site) { s.lab.Plug("lan", s.host) }
	for _, test := range []struct {
		name       string
		members    int
		gone, back func(*site)
		open       bool // it can be written to while it is away
	}{
		{"killed", 1, each((*registrytest.Member).Kill, 0), each((*registrytest.Member).Start, 0), false},
		{"paused", 1, each((*registrytest.Member).Pause, 0), each((*registrytest.Member).Resume, 0), false},
		{"cut off", 1, cut, mend, true},
		{"3 killed", 3, each((*registrytest.Member).Kill, 0, 1, 2), each((*registrytest.Member).Start, 0, 1, 2), false},
		{"3 cut off", 3, cut, mend, true},
		{"quorum killed", 3, each((*registrytest.Member).Kill, 0, 1), each((*registrytest.Member).Start, 0, 1), false},
		{"peers cut off", 3, peers((*lab.Lab).Unplug), peers((*lab.Lab).Plug), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.members)
			last := test.members - 1
			s.write(last, "/registry", service("moves", "10.0.0.7"), service("goes", "10.0.0.8"))
			s.startDNS(s.corefile())
			l := startQueries(t, s.host, always...)
			l.more()

			test.gone(s)
			eventually(t, recovery, "the metrics say so", s.follows(false))
			contact, age := s.seconds("last_contact"), s.seconds("snapshot_age")
			s.mustBeReady("with etcd away")
			change := func() {
				s.write(last, "/registry", service("moves", "10.0.0.9"), service("comes", "10.0.0.10"))
				s.remove(last, "/registry", service("goes", ""))
			}
			if test.open {
				change()
			}
			l.more()
			if err := asked(s.host, portal("moves", "10.0.0.7"), portal("goes", "10.0.0.8"), portal("comes", ""))(); err != nil {
				t.Errorf("with etcd away: %v", err)
			}
			if c, a := s.seconds("last_contact"), s.seconds("snapshot_age"); c <= contact || a <= age {
				t.Errorf("last contact %v seconds ago, answers %v old; before %v and %v: want both to grow", c, a, contact, age)
			}

			test.back(s)
			if !test.open {
				change()
			}
			eventually(t, recovery, "what changed shows",
				asked(s.host, portal("moves", "10.0.0.9"), portal("goes", ""), portal("comes", "10.0.0.10")))
			eventually(t, recovery, "the metrics say that it is back", s.follows(true))
			s.mustBeReady("with etcd back")
			l.more()
			l.check("etcd " + test.name)
		})
	}
}

// each does something to some members of a site.
func each(do func(*registrytest.Member), members ...int) func(*site) {
	return func(s *site) {
		for _, i := range members {
			do(s.members[i])
		}
	}
}

// peers does something to all cables between the members.
func peers(do func(*lab.Lab, string, *lab.Host)) func(*site) {
	return func(s *site) {
		for _, h := range s.hosts {
			do(s.lab, "peers", h)
		}
	}
}

// Whichever member of three goes, and in whichever way, changes keep coming
// from the others. A member that is cut off from its peers alone still talks
// to the DNS server, but knows nothing new.
func TestDNSWithOneMemberAway(t *testing.T) {
	t.Parallel()
	cable := func(do func(*lab.Lab, string, *lab.Host), segment string) func(*site, int) {
		return func(s *site, i int) { do(s.lab, segment, s.hosts[i]) }
	}
	process := func(do func(*registrytest.Member)) func(*site, int) {
		return func(s *site, i int) { do(s.members[i]) }
	}
	for _, test := range []struct {
		name       string
		gone, back func(*site, int)
	}{
		{"killed", process((*registrytest.Member).Kill), process((*registrytest.Member).Start)},
		{"paused", process((*registrytest.Member).Pause), process((*registrytest.Member).Resume)},
		{"cut off from DNS", cable((*lab.Lab).Unplug, "lan"), cable((*lab.Lab).Plug, "lan")},
		{"cut off from its peers", cable((*lab.Lab).Unplug, "peers"), cable((*lab.Lab).Plug, "peers")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 3)
			s.startDNS(s.corefile())
			l := startQueries(t, s.host, always...)
			for i := range s.members {
				test.gone(s, i)
				address := fmt.Sprintf("10.0.1.%d", i)
				s.write((i+1)%3, "/registry", service("moves", address))
				eventually(t, recovery, "the others' change shows", asked(s.host, portal("moves", address)))
				test.back(s, i)
				eventually(t, recovery, "the metrics say that all is well", s.follows(true))
			}
			l.more()
			l.check("a member " + test.name)
		})
	}
}
