//go:build linux

package nftables

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/test/lab"
)

// spy counts what is asked of a real kernel.
type spy struct {
	kernel
	scripts    int
	reads      int
	gone, come []element
}

func (s *spy) read(f rules.Family) (*standing, error) {
	s.reads++
	return s.kernel.read(f)
}

func (s *spy) run(ctx context.Context, script string) error {
	s.scripts++
	return s.kernel.run(ctx, script)
}

func (s *spy) commit(f rules.Family, gone, come []element) error {
	s.gone, s.come = append(s.gone, gone...), append(s.come, come...)
	return s.kernel.commit(f, gone, come)
}

// watch begins to count.
func (f *fleet) watch() *spy {
	s := &spy{kernel: f.proxier.kernel.kernel}
	f.proxier.kernel.kernel = s
	return s
}

// list returns what nft lists, sorted by line: the order of elements is none.
func (f *fleet) list() string {
	return f.nft("list", "ruleset")
}

func everything() []string {
	var manifests []string
	for _, c := range cases {
		manifests = append(manifests, c.manifests)
	}
	return manifests
}

// A restart adopts what stands, and sends nothing if nothing differs; else the
// difference.
func TestAdopt(t *testing.T) {
	f := newFleet(t)
	f.sync(true, everything()...)
	f.use(Config{ClusterCIDRs: cluster})
	s := f.watch()
	f.sync(true, everything()...)
	if s.scripts != 0 || len(s.gone) != 0 || len(s.come) != 0 {
		t.Errorf("%d scripts, elements %v and %v for no difference", s.scripts, s.gone, s.come)
	}
	f.use(Config{ClusterCIDRs: cluster})
	s = f.watch()
	manifests := everything()
	manifests[0] = service("a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], "+ports, "10.1.1.2", "10.1.0.2", "fd01:1::2", "fd01:2::2")
	f.sync(true, manifests...)
	// Of two protocols, both slots; 10.1.0.2 is known from another service.
	if s.scripts != 0 || len(s.gone) != 4 || len(s.come) != 4 {
		t.Errorf("%d scripts, elements %v and %v for one endpoint of two", s.scripts, s.gone, s.come)
	}
}

// What others change is repaired, or adopted where it makes no difference.
func TestForeignChanges(t *testing.T) {
	t.Run("few", func(t *testing.T) { repairs(t, manyElements) })
	t.Run("many", func(t *testing.T) { repairs(t, 1) })
}

// repairs tries to repair changes by others where so many elements are many.
func repairs(t *testing.T, many int) {
	f := newFleet(t)
	f.proxier.many = many
	f.sync(true, everything()...)
	want := f.fingerprints()
	s := f.watch()
	for name, script := range map[string][]string{
		"all flushed":         {"flush ruleset"},
		"a table deleted":     {"delete table ip svcreg"},
		"elements deleted":    {"flush map ip svcreg endpoints", "flush map ip svcreg frontends", "flush set ip6 svcreg hairpin"},
		"elements changed":    {"flush map ip svcreg frontends", "add element ip svcreg frontends { 10.0.0.1 . tcp . 80 : 0:1, 10.0.0.99 . tcp . 80 : 0:1 }"},
		"a rule added":        {"insert rule ip svcreg services drop"},
		"rules deleted":       {"flush chain ip svcreg postrouting"},
		"a class deleted":     {"delete element ip svcreg dispatch { 0:2 }"},
		"a network added":     {"add element ip svcreg cluster { 198.51.100.0/24 }"},
		"fingerprint deleted": {"flush map ip svcreg fingerprint"},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			for _, line := range script {
				f.nft(line)
			}
			f.sync(true, everything()...)
			if diff := cmp.Diff(want, f.fingerprints()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			read := s.reads
			f.sync(true, everything()...)
			if read == 0 && many > 1 || s.reads != read {
				t.Errorf("%d reads to repair this, then %d more", read, s.reads-read)
			}
			s.reads = 0
			f.check(f.pod, "TCP", "10.0.0.1:80")
			f.check(f.far, "TCP", "192.0.2.2:80")
		})
	}
}

// fingerprints returns what stands but for what packets added.
func (f *fleet) fingerprints() map[rules.Family]*standing {
	f.t.Helper()
	all := map[rules.Family]*standing{}
	f.node.Do(func() {
		for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
			s, err := (&real{}).read(family)
			if err != nil || s == nil {
				f.t.Errorf("%v: %v, %v", family, s, err)
			}
			all[family] = s
		}
	})
	return all
}

func (s *standing) Equal(other *standing) bool {
	return s.version == other.version && s.chains == other.chains && s.found == other.found && cmp.Equal(s.elements, other.elements)
}

// A change after somebody else removed everything is carried out, too.
func TestChangeAfterFlush(t *testing.T) {
	f := newFleet(t)
	f.sync(true, cases[0].manifests)
	f.nft("flush", "ruleset")
	f.sync(false, cases[0].manifests, cases[1].manifests)
	f.check(f.pod, "TCP", "10.0.0.1:80")
	f.check(f.pod, "TCP", "10.0.0.2:80")
}

// What stands can be listed by nft, written to a file and read again; what
// Render prints is the same.
func TestListing(t *testing.T) {
	f := newFleet(t)
	f.sync(true, everything()...)
	for range 4 { // affinity, too, is listed
		f.check(f.pod, "TCP", "10.0.0.12:80")
		f.check(f.pod, "TCP", "[fd00::12]:80")
	}
	listed := f.list()
	file := filepath.Join(t.TempDir(), "listed")
	if err := os.WriteFile(file, []byte(listed), 0o600); err != nil {
		t.Fatal(err)
	}
	f.nft("flush", "ruleset")
	f.nft("-f", file)
	f.check(f.pod, "TCP", "10.0.0.1:80")
	f.check(f.far, "UDP", "192.0.2.7:80")

	want := f.fingerprints()
	var b strings.Builder
	if err := Render(&b, f.rules, Config{ClusterCIDRs: cluster}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f.nft("-f", file)
	for family, s := range f.fingerprints() {
		if diff := cmp.Diff(want[family].elements, s.elements); diff != "" {
			t.Errorf("%v: elements (-synced +rendered):\n%s", family, diff)
		}
	}
	f.check(f.pod, "TCP", "10.0.0.1:80")
}

// Cleanup leaves what others made, and nothing of ours.
func TestCleanup(t *testing.T) {
	f := newFleet(t)
	f.nft("add table ip others; add chain ip others c")
	before := f.list()
	f.sync(true, everything()...)
	for range 2 {
		var err error
		f.node.Do(func() { err = Cleanup(t.Context()) })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, f.list()); diff != "" {
			t.Errorf("-before +after:\n%s", diff)
		}
	}
}

// A client stays with its endpoint while others come and go, and gets another
// one when its own goes.
func TestAffinity(t *testing.T) {
	f := newFleet(t)
	const four, six = "10.0.0.1:80", "[fd00::1]:80"
	sticky := func(addresses ...string) string {
		return service("a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], sessionAffinity: ClientIP, "+ports, addresses...)
	}
	f.sync(true, sticky(append(bothServers, "10.1.0.2", "fd01:0::2")...))
	stays := func(to string, want netip.Addr) netip.Addr {
		t.Helper()
		for range 8 {
			server, _, err := f.ask(f.far, "tcp", to, patience)
			if err != nil || want.IsValid() && server != want {
				t.Fatalf("answered by %v, %v; want %v", server, err, want)
			}
			want = server
		}
		return want
	}
	at4, at6 := stays(four, netip.Addr{}), stays(six, netip.Addr{})
	without := func(drop ...netip.Addr) []string {
		var left []string
		for _, a := range append(bothServers, "10.1.0.2", "fd01:0::2") {
			addr, _, _ := strings.Cut(a, "@")
			keep := true
			for _, d := range drop {
				keep = keep && netip.MustParseAddr(addr) != d
			}
			if keep {
				left = append(left, addr)
			}
		}
		return left
	}
	f.sync(false, sticky(at4.String(), at6.String(), "10.1.9.9", "fd01:9::9"))
	stays(four, at4)
	stays(six, at6)
	f.sync(false, sticky(without(at4, at6)...))
	next4, next6 := stays(four, netip.Addr{}), stays(six, netip.Addr{})
	if next4 == at4 || next6 == at6 {
		t.Errorf("still answered by %v and %v, which are gone", next4, next6)
	}
	f.sync(false, sticky(append(bothServers, "10.1.0.2", "fd01:0::2")...))
	stays(four, next4) // not back to the first
	f.use(Config{ClusterCIDRs: cluster})
	f.sync(true, sticky(append(bothServers, "10.1.0.2", "fd01:0::2")...))
	stays(four, next4) // nor by a restart
	stays(six, next6)
}

// While endpoints and services come and go, and the whole skeleton is replaced,
// and all elements are, every connection to a service that has an endpoint is made.
func TestChurn(t *testing.T) {
	f := newFleet(t)
	plain := func(addresses ...string) string {
		return service("a", "clusterIP: 10.0.0.1, "+ports, addresses...)
	}
	other := func(addresses ...string) string {
		return service("b", "clusterIP: 10.0.0.2, sessionAffinity: ClientIP, "+ports, addresses...)
	}
	f.sync(true, plain("10.1.1.2"), other("10.1.1.2"))
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var made atomic.Int64
	for to, from := range map[string]*lab.Host{"10.0.0.1:80": f.pod, "10.0.0.2:80": f.far} {
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := f.ask(from, "tcp", to, patience); err != nil && ctx.Err() == nil {
					t.Errorf("%s after %d connections: %v", to, made.Load(), err)
					return
				}
				made.Add(1)
			}
		})
	}
	sets := [][]string{
		{"10.1.1.2", "10.1.2.2"}, {"10.1.2.2"}, {"10.1.0.2", "10.1.1.2", "10.1.2.2"}, {"10.1.1.2"}, {"10.1.0.2", "10.1.2.2"}, {"10.1.2.2", "10.1.1.2"},
	}
	config := Config{ClusterCIDRs: cluster}
	for i := range 150 {
		f.sync(i%50 == 49, plain(sets[i%len(sets)]...), other(sets[(i+1)%len(sets)]...))
		if i%50 == 25 { // another configuration, which replaces all chains at once
			config.MasqueradeAll = i%100 == 25
			f.use(config)
			f.sync(true, plain(sets[i%len(sets)]...), other(sets[(i+1)%len(sets)]...))
		}
		if i%5 == 4 { // a restart that doesn't look what stands
			f.use(config)
			f.proxier.many = 1
		}
	}
	stop()
	clients.Wait()
	t.Logf("%d connections", made.Load())
}

// A service with 5,000 endpoints is one among others.
func TestManyEndpoints(t *testing.T) {
	f := newFleet(t)
	var many []string
	for i := range 5000 {
		many = append(many, fmt.Sprintf("10.2.%d.%d", i/250, 1+i%250))
	}
	large := func(n int) string { return service("large", "clusterIP: 10.0.0.1, "+ports, many[:n]...) }
	f.sync(true, large(5000), cases[1].manifests)
	f.check(f.pod, "TCP", "10.0.0.2:80")
	s := f.watch()
	f.sync(false, large(4999), cases[1].manifests)
	if len(s.gone) != 4 { // for two protocols, a slot and the class
		t.Errorf("%d elements deleted for the last of 5000 endpoints", len(s.gone))
	}
	f.check(f.pod, "TCP", "10.0.0.2:80")
}

// Node ports are where the configuration wants them.
func TestNodePortAddresses(t *testing.T) {
	f := newFleet(t)
	f.use(Config{NodePortAddrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	f.sync(true, service("f", "clusterIP: 10.0.0.6, type: NodePort, "+nodePorts(8081), bothServers...))
	for to, want := range map[string]bool{"198.51.100.1:8081": true, "10.1.0.1:8081": false, "[2001:db8::1]:8081": false, "198.51.100.2:8081": false} {
		_, _, err := f.ask(f.pod, "tcp", to, patience)
		if (err == nil) != want {
			t.Errorf("%s: %v; want an answer %v", to, err, want)
		}
	}
}

// What portal IPs do with clients from the cluster's border and beyond depends
// on the configuration.
func TestMasquerading(t *testing.T) {
	f := newFleet(t)
	web := service("a", "clusterIP: 10.0.0.1, "+ports, "10.1.1.2")
	for _, tt := range []struct {
		name      string
		cfg       Config
		pod, away bool
	}{
		{"nothing", Config{}, false, false},
		{"the border", Config{ClusterCIDRs: cluster}, false, true},
		{"all", Config{MasqueradeAll: true}, true, true},
	} {
		f.use(tt.cfg)
		f.sync(true, web)
		for from, want := range map[*lab.Host]bool{f.pod: tt.pod, f.far: tt.away} {
			_, seen, err := f.ask(from, "tcp", "10.0.0.1:80", patience)
			if own := f.addrOf(from, true); err != nil || (seen != own) != want {
				t.Errorf("%s: %s is seen as %v (%v); want masqueraded %v", tt.name, from.Name(), seen, err, want)
			}
		}
	}
}
