package test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// The DNS server is restarted while etcd is away: it serves what it knew, says
// so, and never answers wrongly. etcd comes back: it goes on from there.
func TestDNSRestartWithEtcdAway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		gone, back func(*site)
		end        func(*daemon)
	}{
		{"killed", each((*registrytest.Member).Kill, 0), each((*registrytest.Member).Start, 0), (*daemon).stop},
		{"paused", each((*registrytest.Member).Pause, 0), each((*registrytest.Member).Resume, 0), (*daemon).kill},
		{"cut off", func(s *site) { s.lab.Unplug("lan", s.host) }, func(s *site) { s.lab.Plug("lan", s.host) }, (*daemon).kill},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			s.startDNS(s.corefile())
			revision, err := s.metric("revision", "")
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, recovery, "the registry is on disk", func() error {
				_, err := os.Stat(filepath.Join(s.dir, "snapshot"))
				return err
			})
			test.gone(s)
			gone := time.Now()
			test.end(s.dns)

			l := startQueries(t, s.host, always...)
			began := time.Now()
			s.dns.start()
			eventually(t, recovery, "DNS answers", asked(s.host, always...))
			t.Logf("first right answers %v after the start", time.Since(began).Round(time.Millisecond))
			eventually(t, recovery, "it is ready", s.ready)
			if err := errors.Join(s.follows(false)(), s.metricIs("revision", "", revision), s.metricIs("objects", `"Service"`, 2),
				s.says("serving the saved snapshot until etcd answers")()); err != nil {
				t.Errorf("it doesn't say what it serves: %v", err)
			}
			if age, err := s.metric("last_contact_seconds", ""); err == nil {
				t.Errorf("it says that etcd answered %v seconds ago", age)
			}
			if away, age := time.Since(gone).Seconds(), s.seconds("snapshot_age"); age < away {
				t.Errorf("it says that what it answers is %v seconds old; etcd is away for %v", age, away)
			}
			l.more()
			l.checkNoneWrong("restart with etcd " + test.name)

			l = startQueries(t, s.host, always...)
			test.back(s)
			s.write(0, "/registry", service("comes", "10.0.0.10"))
			eventually(t, recovery, "what changed shows", asked(s.host, portal("comes", "10.0.0.10")))
			eventually(t, recovery, "DNS follows etcd", s.follows(true))
			l.more()
			l.check("return of etcd, " + test.name)
		})
	}
}

// The DNS server is told to read its Corefile again while etcd is away, with a
// copy on disk or none: it goes on, and nobody notices. So it does after that.
func TestDNSReloadWithEtcdAway(t *testing.T) {
	t.Parallel()
	for _, saved := range []bool{true, false} {
		t.Run(map[bool]string{true: "file", false: "no file"}[saved], func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			corefile := s.corefile()
			if !saved {
				corefile = strings.Replace(corefile, "snapshot "+filepath.Join(s.dir, "snapshot"), "startup_timeout 100ms", 1)
			}
			s.startDNS(corefile)
			s.members[0].Kill()
			l := startQueries(t, s.host, always...)
			l.more()
			for i := range 3 {
				s.dns.signal(syscall.SIGUSR1)
				eventually(t, recovery, "it reloads", func() error {
					return want(strings.Count(s.dns.output.String(), "Reloading complete"), i+1)
				})
				l.more()
			}
			eventually(t, recovery, "the metrics say that etcd is away", s.follows(false))
			s.mustBeReady("after a reload")

			s.members[0].Start()
			s.write(0, "/registry", service("comes", "10.0.0.10"))
			eventually(t, recovery, "what changed shows", asked(s.host, portal("comes", "10.0.0.10")))
			eventually(t, recovery, "DNS follows etcd", s.follows(true))
			l.more()
			l.check("reload with etcd away")
		})
	}
}

// A DNS server that knows nothing, because etcd has never answered it and
// there is no file, or a damaged one: it says that it can't say, and isn't
// ready, until etcd answers.
func TestDNSKnowsNothingYet(t *testing.T) {
	t.Parallel()
	for _, damaged := range []bool{false, true} {
		t.Run(map[bool]string{false: "no file", true: "damaged file"}[damaged], func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			if damaged {
				if err := os.WriteFile(filepath.Join(s.dir, "snapshot"), []byte("svcreg snapshot\n\x01"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s.members[0].Kill()
			s.runDNS(strings.Replace(s.corefile(), "endpoint", "startup_timeout 10ms\n\t\tendpoint", 1))
			servfail := question{"web.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL"}
			eventually(t, recovery, "it says SERVFAIL", asked(s.host, servfail))
			l := startQueries(t, s.host, servfail, question{"nothing.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL"})
			l.more()
			if err := s.ready(); err == nil || !strings.Contains(err.Error(), "503") {
				t.Errorf("it says that it is ready: %v", err)
			}
			if err := errors.Join(s.follows(false)(), s.metricIs("snapshot_errors_total", "", map[bool]float64{true: 1}[damaged])); err != nil {
				t.Error(err)
			}
			l.check("no etcd yet")
			s.members[0].Start()
			eventually(t, recovery, "DNS answers", asked(s.host, always...))
			eventually(t, recovery, "it is ready", s.ready)
			eventually(t, recovery, "DNS follows etcd", s.follows(true))
		})
	}
}
