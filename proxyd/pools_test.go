package proxyd

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// balanced returns a change to a service with a load balancer's address.
func balanced(name, portal, addr string) registry.Change {
	c := service(name, portal, "TCP")
	s := c.Object.(*registry.Service)
	s.Type, s.LoadBalancerIPs = registry.LoadBalancer, []netip.Addr{netip.MustParseAddr(addr)}
	return registry.Put(s)
}

// public is a pool for everybody.
func public(namespaces ...string) rules.Pools {
	return rules.Pools{Ranges: []rules.PoolRange{{Prefix: netip.MustParsePrefix("203.0.113.0/28"), Namespaces: namespaces}}}
}

// An address of a pool is honoured as long as it is one.
func TestPoolsAreHonoured(t *testing.T) {
	inWorld(t, func(w *world) {
		lb := frontend("203.0.113.1:80")
		w.write(balanced("web", "10.0.0.1", "203.0.113.1"))
		w.pass(time.Second)
		w.has("in no pool", lb, false)
		w.inbox.pool(public(), nil)
		w.pass(time.Second)
		w.has("in a pool", lb, true)
		w.inbox.pool(public("other"), nil)
		w.pass(time.Second)
		w.has("in a pool for others", lb, false)
		w.inbox.pool(public("other", "ns"), nil)
		w.pass(time.Second)
		w.has("in a pool for this one, too", lb, true)
		w.inbox.pool(rules.Pools{}, nil)
		w.pass(time.Second)
		w.has("in no pool any more", lb, false)
	})
}

// An address leads to the service that it was given to, whoever lists it; when
// it changes hands only that is carried out.
func TestPoolsAreGiven(t *testing.T) {
	inWorld(t, func(w *world) {
		addr := netip.MustParseAddr("203.0.113.1")
		leads := func(when, want string) {
			t.Helper()
			w.pass(time.Second)
			rule, _ := w.kernel.rules.Lookup(frontend("203.0.113.1:80"))
			if rule.Service.Name != want {
				t.Errorf("%s it leads to %v, want %q", when, rule.Service, want)
			}
		}
		gives := func(services ...registry.Key) {
			p := public()
			p.Holders = p.Holders.With(addr, services)
			w.inbox.pool(p, []netip.Addr{addr})
		}
		w.inbox.pool(public(), nil)
		w.write(balanced("thief", "10.0.0.1", "203.0.113.1"))
		w.write(balanced("web", "10.0.0.2", "203.0.113.1"))
		leads("held by nobody", "thief")
		w.kernel.took()
		gives(key("web"))
		leads("held by web", "web")
		w.write(gone(registry.KindService, "thief"))
		w.write(balanced("thief", "10.0.0.1", "203.0.113.1"))
		leads("asked for again", "web")
		w.write(gone(registry.KindService, "web"))
		leads("held by one that is gone", "")
		gives()
		leads("held by nobody any more", "thief")
		for _, call := range w.kernel.took() {
			if call.Full {
				t.Errorf("%v: a full sync", call)
			}
		}
		w.logged("the registry gave it to service ns/web", 1)
	})
}

// Nothing is programmed before the pools are known: their addresses would be
// refused, where they stand.
func TestPoolsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.loop.policy.awaitsPools = true
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx) }()
		w.write(balanced("web", "10.0.0.1", "203.0.113.1"))
		w.pass(time.Second)
		if w.kernel.rules != nil {
			t.Error("rules without pools")
		}
		w.inbox.pool(public(), nil)
		w.pass(time.Second)
		w.has("in a pool", frontend("203.0.113.1:80"), true)
		w.logged("address refused", 0)
		w.write(balanced("late", "10.0.0.2", "203.0.113.2"))
		w.pass(time.Second)
		w.has("once they are known", frontend("203.0.113.2:80"), true)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The pools, and who holds their addresses, are those of etcd, and while it is
// away those that were saved; and where nobody knows any, there are none after a
// while.
func TestPoolWatch(t *testing.T) {
	etcd := registrytest.StartEtcd(t)
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, value string) {
		t.Helper()
		if _, err := etcd.Client().Put(t.Context(), "/registry/svcreg/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	const document = `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "public"}, "spec": {"addresses": ["203.0.113.1-203.0.113.4"], "namespaces": ["ns"]}}`
	put("pools/public", document)
	put("addresses/203.0.113.3", `{"holders": [{"namespace": "ns", "name": "old", "gone": "2026-01-01T00:00:00Z"}]}`)
	file := filepath.Join(t.TempDir(), "snapshot.pools")
	watch := func() (b *inbox, stop func()) {
		w := &poolWatch{client: etcd.Client(), layout: layout, inbox: newInbox(), book: pool.NewBook(), file: file, logger: slog.New(slog.DiscardHandler)}
		w.load()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx) }()
		return w.inbox, func() { cancel(); <-ended }
	}
	hears := func(b *inbox, want, moved string) {
		t.Helper()
		select {
		case <-b.wake:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is heard")
		}
		n := b.take()
		var ranges, given []string
		for _, r := range n.pools.Ranges {
			ranges = append(ranges, fmt.Sprintf("%v%v", r.Prefix, r.Namespaces))
		}
		for a, services := range n.pools.Holders.All() {
			ranges = append(ranges, fmt.Sprintf("%v%v", a, services))
		}
		for a := range n.given {
			given = append(given, a.String())
		}
		if got := strings.Join(ranges, " "); !n.pooled || got != want || strings.Join(given, " ") != moved {
			t.Fatalf("pools %s, moved %s; want %s, %s", got, given, want, moved)
		}
	}
	const ranges, held = "203.0.113.1/32[ns] 203.0.113.2/31[ns] 203.0.113.4/32[ns]", " 203.0.113.2[ns/a ns/b]"
	b, stop := watch()
	hears(b, ranges, "")
	put("addresses/203.0.113.2", `{"holders": [{"namespace": "ns", "name": "a"}, {"namespace": "ns", "name": "b"}]}`)
	hears(b, ranges+held, "203.0.113.2")
	put("addresses/203.0.113.4", `{"holders": [{"namespace": "ns", "name": "a", "gone": "2026-01-01T00:00:00Z"}]}`) // which is no news
	if _, err := etcd.Client().Delete(t.Context(), "/registry/svcreg/pools/public"); err != nil {
		t.Fatal(err)
	}
	hears(b, held[1:], "")
	put("pools/public", document)
	hears(b, ranges+held, "")
	stop()
	etcd.Stop()
	b, stop = watch()
	hears(b, ranges+held, "203.0.113.2")
	stop()
	for _, damaged := range []string{`["damaged`, `{"pools": {"public": {}}}`, `{"claims": {"203.0.113.1": null}}`} {
		if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		b, stop = watch()
		hears(b, "", "")
		stop()
	}
}

// What is known is saved also while nothing ends.
func TestPoolsAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "snapshot.pools")
		w := &poolWatch{inbox: newInbox(), book: pool.NewBook(), file: file, logger: slog.New(slog.DiscardHandler)}
		updates := make(chan pool.Update)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.take(ctx, updates) }()
		updates <- pool.Update{Anew: true}
		time.Sleep(2 * poolPause) // of the bubble
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
		cancel()
		<-ended
	})
}
