package loadbalancer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

// Two that both think they lead, as one does that was stopped for a while, give
// no address away twice: the transactions see to that, not the leading.
func TestTwoWriters(t *testing.T) {
	s := newSite(t)
	const services = 40
	s.pool("public", fmt.Sprintf(`"addresses": ["203.0.113.1-203.0.113.%d"]`, services))
	var watched errgroup.Group
	given := map[string]string{}
	events := s.client.Watch(t.Context(), "/registry/svcreg/addresses/", clientv3.WithPrefix())
	watched.Go(func() error {
		for response := range events {
			for _, e := range response.Events {
				if e.Type == mvccpb.PUT {
					given[string(e.Kv.Key)] += string(e.Kv.Value) // each is written once
				}
			}
			if len(given) == services {
				return nil
			}
		}
		return nil
	})
	for _, node := range []string{"one", "two"} {
		c := s.config(node)
		c.Grace = time.Hour
		go func() { _ = lead(t.Context(), &c, write.New(s.client, s.layout, write.Options{}), newMetrics()) }()
	}
	for i := range services {
		s.v1(fmt.Sprintf("web-%d", i), "")
	}
	seen := map[string]string{}
	for i := range services {
		name := fmt.Sprintf("web-%d", i)
		s.eventually("an address of "+name, func() string { return fmt.Sprint(s.addrs(name) != "") }, "true")
		if other := seen[s.addrs(name)]; other != "" {
			t.Errorf("%s and %s both have %s", name, other, s.addrs(name))
		}
		seen[s.addrs(name)] = name
		if got := s.holders(s.addrs(name)); got != name {
			t.Errorf("%s has %s, which %q holds", name, s.addrs(name), got)
		}
	}
	s.must(watched.Wait())
	for key, values := range given {
		if want := s.get(key); values != want {
			t.Errorf("%s was claimed more than once: %s", key, values)
		}
	}
}

// What was decided on pools or claims as they were is not written: it is decided
// anew.
func TestStaleBook(t *testing.T) {
	for _, tt := range []struct {
		name    string
		between func(*site)
		given   string
	}{
		{"nothing between", func(*site) {}, "203.0.113.1"},
		{"a pool of other addresses", func(s *site) { s.pool("public", `"addresses": ["203.0.113.9"]`) }, ""},
		{"a pool for others", func(s *site) { s.pool("public", `"addresses": ["203.0.113.1"], "namespaces": ["blog"]`) }, ""},
		{"a pool that is gone", func(s *site) { s.remove("/registry/svcreg/pools/public") }, ""},
		{"another's claim", func(s *site) {
			s.put("/registry/svcreg/addresses/203.0.113.1", `{"pool": "public", "holders": [{"namespace": "blog", "name": "web"}]}`)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.pool("public", `"addresses": ["203.0.113.1"]`)
			s.v1("web", "")
			config := s.config("one")
			c := &controller{
				Config: &config, writer: s.writer, metrics: newMetrics(), lists: newLists(),
				wanting: map[registry.Key]bool{}, wrote: map[registry.Key]int64{}, notes: map[registry.Key]Note{},
			}
			var err error
			c.book, _, err = pool.List(t.Context(), s.client, s.layout, config.Logger)
			s.must(err)
			tt.between(s)
			claim := s.get("/registry/svcreg/addresses/203.0.113.1")
			err = c.reconcile(t.Context(), registry.Key{Namespace: "shop", Name: "web"})
			if got := s.addrs("web"); got != tt.given || errors.Is(err, write.ErrChanged) != (tt.given == "") {
				t.Errorf("it has %q, want %q; error %v", got, tt.given, err)
			}
			if tt.given == "" && s.get("/registry/svcreg/addresses/203.0.113.1") != claim {
				t.Error("the claim changed")
			}
		})
	}
}

// Nodes take turns in leading, and services come and go; in the end all agree.
func TestLeadersComeAndGo(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.0/27"]`)
	var stops []func()
	for _, node := range []string{"one", "two", "three"} {
		stops = append(stops, s.run(s.config(node)))
	}
	for round, stop := range append(stops[:2:2], func() {}) {
		for i := range 5 {
			s.v1(fmt.Sprintf("web-%d-%d", round, i), "")
		}
		if round > 0 {
			s.remove(specKey(fmt.Sprintf("web-%d-0", round-1)))
		}
		stop()
		for i := 1; i < 5; i++ {
			name := fmt.Sprintf("web-%d-%d", round, i)
			s.eventually("an address of "+name, func() string { return fmt.Sprint(s.addrs(name) != "") }, "true")
		}
	}
	s.quiet()
	s.consistent(13, 2)
}

// consistent waits until some services hold an address each, and some that are
// gone do, and checks that all services have what they hold.
func (s *site) consistent(there, gone int) {
	s.Helper()
	var b *pool.Book
	s.eventually("who holds addresses", func() string {
		var err error
		b, _, err = pool.List(s.Context(), s.client, s.layout, s.config("").Logger)
		s.must(err)
		n := map[bool]int{}
		for c := range b.Claims() {
			for _, h := range c.Holders {
				n[h.Gone.IsZero()]++
			}
		}
		return fmt.Sprintf("%d services, %d that are gone", n[true], n[false])
	}, fmt.Sprintf("%d services, %d that are gone", there, gone))
	for c := range b.Claims() {
		for _, h := range c.Holders {
			if got := s.addrs(h.Name); h.Gone.IsZero() && got != c.Addr.String() {
				s.Errorf("%s holds %s and has %q", h.Name, c.Addr, got)
			}
		}
	}
}

// etcd that goes away and comes back stops nothing for good.
func TestEtcdComesBack(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.9"]`)
	s.run(s.config("one"))
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.etcd.Restart()
	s.v1("other", "")
	s.has("other", "203.0.113.2")
	s.has("web", "203.0.113.1")
}
