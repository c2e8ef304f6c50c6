package proxyd

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// heldBy is news of everything: a pool, and who holds some of its addresses.
func heldBy(t *testing.T, holders map[string]string) pool.Update {
	t.Helper()
	p, err := pool.Decode("public", []byte(`{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "public"}, "spec": {"addresses": ["203.0.113.0/28"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	u := pool.Update{Anew: true, Pools: map[string]*pool.Pool{"public": p}, Claims: map[netip.Addr]*pool.Claim{}}
	for text, name := range holders {
		a := netip.MustParseAddr(text)
		u.Claims[a] = &pool.Claim{Addr: a, Pool: "public", Holders: []pool.Holder{{Namespace: "ns", Name: name}}}
	}
	return u
}

// Where everything is heard anew, what differs is told: who came, who went and
// who is another; and nothing where nothing does.
func TestHearAnew(t *testing.T) {
	w := &poolWatch{inbox: newInbox(), book: pool.NewBook(), logger: slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		name  string
		u     pool.Update
		news  bool
		moved []string
	}{
		{"nothing, for the first time", pool.Update{Anew: true}, true, nil},
		{"nothing", pool.Update{Anew: true}, false, nil},
		{"some", heldBy(t, map[string]string{"203.0.113.1": "a", "203.0.113.2": "b"}), true, []string{"203.0.113.1", "203.0.113.2"}},
		{"the same", heldBy(t, map[string]string{"203.0.113.1": "a", "203.0.113.2": "b"}), false, nil},
		{"one is another's", heldBy(t, map[string]string{"203.0.113.1": "b", "203.0.113.2": "b"}), true, []string{"203.0.113.1"}},
		{"one came and one went", heldBy(t, map[string]string{"203.0.113.2": "b", "203.0.113.3": "c"}), true, []string{"203.0.113.1", "203.0.113.3"}},
		{"one is no longer anybody's", pool.Update{Claims: map[netip.Addr]*pool.Claim{netip.MustParseAddr("203.0.113.3"): nil}}, true, []string{"203.0.113.3"}},
		{"the pool is gone", pool.Update{Pools: map[string]*pool.Pool{"public": nil}}, true, nil},
	} {
		if got := w.hear(step.u); got != step.news {
			t.Errorf("%s: news %v, want %v", step.name, got, step.news)
		}
		n := w.inbox.take()
		var moved []string
		for a := range n.given {
			moved = append(moved, a.String())
		}
		slices.Sort(moved)
		if d := cmp.Diff(step.moved, moved); d != "" || n.pooled != step.news {
			t.Errorf("%s: moved %s, told %v", step.name, d, n.pooled)
		}
	}
}

// What is heard is saved soon, however much more comes; patience that ends
// changes nothing where something is known; and what can't be saved is said.
func TestSaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "snapshot.pools")
		log := &registrytest.Log{}
		w := &poolWatch{inbox: newInbox(), book: pool.NewBook(), file: file, logger: slog.New(slog.NewTextHandler(log, nil))}
		updates, ended := make(chan pool.Update), make(chan error, 1)
		go func() { ended <- w.take(t.Context(), updates) }()
		for i := range 4 {
			updates <- heldBy(t, map[string]string{"203.0.113.1": string(rune('a' + i))})
			time.Sleep(400 * time.Millisecond)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("after 1.6 seconds: %v, %v", info, err)
		}
		time.Sleep(time.Minute)
		if n := w.inbox.take(); len(n.pools.Ranges) != 1 || n.pools.Holders.Len() != 1 {
			t.Errorf("a minute later the pools are %+v", n.pools)
		}
		err = os.Remove(file)
		if err == nil {
			err = os.MkdirAll(filepath.Join(file, "in the way"), 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		updates <- heldBy(t, nil)
		time.Sleep(time.Minute)
		if !log.Has("can't be saved") {
			t.Errorf("said %s", log)
		}
	})
}

// A new poolWatch knows at once what the one before saved beside the snapshot.
func TestPoolWatchRemembers(t *testing.T) {
	c := DefaultConfig()
	c.Snapshot = filepath.Join(t.TempDir(), "snapshot")
	first := newPoolWatch(&c, nil, newInbox())
	first.hear(heldBy(t, map[string]string{"203.0.113.1": "a"}))
	first.save()
	b := newInbox()
	newPoolWatch(&c, nil, b)
	n := b.take()
	holders, _ := n.pools.Holders.Get(netip.MustParseAddr("203.0.113.1"))
	if len(n.pools.Ranges) != 1 || !slices.Equal(holders, []registry.Key{key("a")}) || len(n.given) != 1 {
		t.Errorf("pools %+v, given %v", n.pools, n.given)
	}
	c.Snapshot = ""
	none := newPoolWatch(&c, nil, newInbox())
	none.save()
	if _, err := os.Stat(".pools"); !os.IsNotExist(err) {
		t.Errorf("without a snapshot file something is saved: %v", err)
	}
}

// What moved stays on the list until it is taken.
func TestInboxPools(t *testing.T) {
	b := newInbox()
	one, two := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	b.pool(public(), []netip.Addr{one})
	b.pool(public("ns"), []netip.Addr{two})
	n := b.take()
	if d := cmp.Diff(map[netip.Addr]struct{}{one: {}, two: {}}, n.given, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || !n.pools.SameRanges(new(public("ns"))) {
		t.Errorf("given %s, pools %+v", d, n.pools)
	}
	if n := b.take(); n.pooled || len(n.given) != 0 {
		t.Errorf("then %+v", n)
	}
}

// Who lists an address is known until it lists it no more, however it is
// written.
func TestListing(t *testing.T) {
	l := newListing()
	one, two := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	lists := func(public, given string) *registry.Service {
		return &registry.Service{PublicIPs: []netip.Addr{netip.MustParseAddr(public)}, LoadBalancerIPs: []netip.Addr{netip.MustParseAddr(given)}}
	}
	l.set(key("a"), lists("::ffff:203.0.113.1", "203.0.113.2"))
	l.set(key("b"), lists("203.0.113.1", "203.0.113.1"))
	if len(l.by[one]) != 2 || len(l.by[two]) != 1 {
		t.Errorf("listed by %v", l.by)
	}
	l.set(key("a"), lists("203.0.113.2", "203.0.113.2"))
	if len(l.by[one]) != 1 || len(l.by[two]) != 1 {
		t.Errorf("then by %v", l.by)
	}
	l.set(key("a"), nil)
	l.set(key("b"), &registry.Service{})
	if len(l.by) != 0 || len(l.of) != 0 {
		t.Errorf("in the end by %v", l.by)
	}
}
