package proxyd

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

// An address of a pool is honoured as long as it is one.
func TestPoolsAreHonoured(t *testing.T) {
	inWorld(t, func(w *world) {
		lb := frontend("203.0.113.1:80")
		w.write(balanced("web", "10.0.0.1", "203.0.113.1"))
		w.pass(time.Second)
		w.has("in no pool", lb, false)
		w.inbox.pool([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")})
		w.pass(time.Second)
		w.has("in a pool", lb, true)
		w.inbox.pool(nil)
		w.pass(time.Second)
		w.has("in no pool any more", lb, false)
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
		w.inbox.pool([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")})
		w.pass(time.Second)
		w.has("in a pool", frontend("203.0.113.1:80"), true)
		w.logged("address refused", 0)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The pools are those of etcd, and while it is away those that were saved; and
// where nobody knows any, there are none after a while.
func TestPoolWatch(t *testing.T) {
	etcd := registrytest.StartEtcd(t)
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	const key, value = "/registry/svcreg/pools/public", `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "public"}, "spec": {"addresses": ["203.0.113.1-203.0.113.4"]}}`
	if _, err := etcd.Client().Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "snapshot.pools")
	watch := func() (b *inbox, stop func()) {
		w := &poolWatch{client: etcd.Client(), layout: layout, inbox: newInbox(), file: file, logger: slog.New(slog.DiscardHandler)}
		w.load()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx) }()
		return w.inbox, func() { cancel(); <-ended }
	}
	hears := func(b *inbox, want ...string) {
		t.Helper()
		select {
		case <-b.wake:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is heard")
		}
		n := b.take()
		var got []string
		for _, p := range n.pools {
			got = append(got, p.String())
		}
		if !n.pooled || !slices.Equal(got, want) {
			t.Fatalf("pools %v, want %v", got, want)
		}
	}
	b, stop := watch()
	hears(b, "203.0.113.1/32", "203.0.113.2/31", "203.0.113.4/32")
	if _, err := etcd.Client().Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	hears(b)
	if _, err := etcd.Client().Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
	hears(b, "203.0.113.1/32", "203.0.113.2/31", "203.0.113.4/32")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(file); len(text) > 4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("they aren't saved")
		}
	}
	stop()
	etcd.Stop()
	b, stop = watch()
	hears(b, "203.0.113.1/32", "203.0.113.2/31", "203.0.113.4/32")
	stop()
	if err := os.WriteFile(file, []byte("[\"damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, stop = watch()
	hears(b)
	stop()
}
