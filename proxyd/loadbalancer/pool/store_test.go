package pool

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

func newStore(t *testing.T) (*Store, *registrytest.Etcd) {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	etcd := registrytest.StartEtcd(t)
	return &Store{Client: etcd.Client(), Layout: layout, Writer: write.New(etcd.Client(), layout, write.Options{})}, etcd
}

func poolOf(t *testing.T, name, addresses string) *Pool {
	t.Helper()
	return bookOf(t, []string{name + ": " + addresses}, nil).Pool(name)
}

// However many write pools at the same time, no two have an address in common.
func TestApplyAtOnce(t *testing.T) {
	s, _ := newStore(t)
	var group errgroup.Group
	var mu sync.Mutex
	refused := 0
	for i := range 8 {
		p := poolOf(t, fmt.Sprintf("p%d", i), fmt.Sprintf("203.0.113.%d-203.0.113.%d", i*8, i*8+8)) // the last is the next one's first
		group.Go(func() error {
			_, err := s.Apply(t.Context(), p)
			if err != nil && strings.Contains(err.Error(), "want addresses that pool") {
				mu.Lock()
				defer mu.Unlock()
				refused++
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	b, _, err := List(t.Context(), s.Client, s.Layout, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Pools() {
		if other, mine, _ := b.Conflict(p); other != nil {
			t.Errorf("pools %s and %s both have %v", p.Name, other.Name, mine)
		}
	}
	if len(b.Pools())+refused != 8 || refused < 3 {
		t.Errorf("%d pools, %d refused", len(b.Pools()), refused)
	}
}

// A pool doesn't go while one of its addresses is being given away.
func TestDeleteMeetsClaim(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Apply(t.Context(), poolOf(t, "public", "203.0.113.1")); err != nil {
		t.Fatal(err)
	}
	claim := `{"pool": "public", "holders": [{"namespace": "shop", "name": "web"}]}`
	acted := false
	err := s.change(t.Context(), "public", func(b *Book) (clientv3.Op, error) {
		if !acted { // after this look, somebody gets the address
			acted = true
			if _, err := s.Client.Put(t.Context(), ClaimDir(s.Layout)+"203.0.113.1", claim); err != nil {
				t.Fatal(err)
			}
		}
		return clientv3.OpDelete(Key(s.Layout, "public")), s.spares(b, "public", nil)
	})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("%v, want ErrInUse", err)
	}
}

// Who follows sees what is there, what changes, and what is there after etcd
// was away.
func TestFollow(t *testing.T) {
	s, etcd := newStore(t)
	if _, err := s.Apply(t.Context(), poolOf(t, "one", "203.0.113.1")); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	b := NewBook()
	go Follow(t.Context(), s.Client, s.Layout, slog.New(slog.DiscardHandler), func(u Update) {
		mu.Lock()
		defer mu.Unlock()
		b.Apply(u)
	})
	sees := func(want string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			mu.Lock()
			var texts []string
			for _, p := range b.Pools() {
				texts = append(texts, p.Name)
			}
			for a := range b.claims {
				texts = append(texts, a.String())
			}
			mu.Unlock()
			if got = strings.Join(texts, " "); got == want {
				return
			}
		}
		t.Fatalf("it sees %q, want %q", got, want)
	}
	put := func(key, value string) {
		t.Helper()
		if _, err := s.Client.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	sees("one")
	put(ClaimDir(s.Layout)+"203.0.113.1", `{"pool": "one", "holders": [{"namespace": "shop", "name": "web"}]}`)
	sees("one 203.0.113.1")
	put(Dir(s.Layout)+"one", `{"kind": "Address`) // and stays what it was
	put(Dir(s.Layout)+"two", `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "two"}, "spec": {"addresses": ["203.0.113.2"]}}`)
	sees("one two 203.0.113.1")
	etcd.Restart()
	if _, err := s.Client.Delete(t.Context(), ClaimDir(s.Layout)+"203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	sees("one two")
}
