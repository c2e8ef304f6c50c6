package announce

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// keptLease is a lease that is kept until the test ends.
type keptLease struct {
	*lease
	log  *registrytest.Log
	lost atomic.Int32
	stop func()
}

func keepLease(t *testing.T, client *clientv3.Client) *keptLease {
	t.Helper()
	k := &keptLease{log: &registrytest.Log{}}
	k.lease = &lease{
		client: client, ttl: DefaultTTL, logger: slog.New(slog.NewTextHandler(k.log, nil)),
		wake: make(chan struct{}, 1), lost: func() { k.lost.Add(1) },
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = k.run(ctx)
	}()
	k.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(k.stop)
	return k
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	(&fleet{t: t}).eventually(what, done)
}

// A lease is renewed for as long as it is wanted, and given back.
func TestLease(t *testing.T) {
	etcd := registrytest.StartEtcd(t)
	k := keepLease(t, etcd.Client())
	eventually(t, "a lease", func() bool { return k.current() != nil })
	id := k.current().id
	for end := time.Now().Add(DefaultTTL + time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if now := k.current(); now == nil || now.id != id {
			t.Fatalf("the lease isn't sure any more: %v", now)
		}
		// etcd's lease always outlives the fence.
		open := k.current().open()
		left, err := etcd.Client().TimeToLive(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if open > time.Duration(left.TTL+1)*time.Second {
			t.Fatalf("the fence is open for %v, the lease lasts less than %ds", open, left.TTL+1)
		}
	}
	k.stop()
	k.revoke(t.Context())
	if k.current() != nil {
		t.Error("given back, but held")
	}
	if left, err := etcd.Client().TimeToLive(t.Context(), id); err != nil || left.TTL != -1 {
		t.Errorf("etcd still has it: %+v, %v", left, err)
	}
	if n := k.lost.Load(); n != 0 {
		t.Errorf("counted as lost %d times", n)
	}
}

// Once etcd is away the fence closes; it opens again when etcd is back, whether
// or not the lease has survived.
func TestLeaseFence(t *testing.T) {
	etcd := registrytest.StartEtcd(t)
	k := keepLease(t, etcd.Client())
	eventually(t, "a lease", func() bool { return k.current() != nil })
	etcd.Stop()
	eventually(t, "the fence is closed", func() bool { return k.current() == nil })
	eventually(t, "told", func() bool { return k.lost.Load() == 1 && k.log.Has("this node is silent") })
	etcd.Restart()
	eventually(t, "a lease again", func() bool { return k.current() != nil })
}

// What was begun under a lease that etcd no longer has is over at once, though
// the fence would be open for longer.
func TestLeaseGone(t *testing.T) {
	etcd := registrytest.StartEtcd(t)
	k := keepLease(t, etcd.Client())
	eventually(t, "a lease", func() bool { return k.current() != nil })
	old := k.current()
	if _, err := etcd.Client().Revoke(t.Context(), old.id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another lease", func() bool { now := k.current(); return now != nil && now.id != old.id })
	if open := old.open(); open > 0 {
		t.Errorf("the fence of the old one is open for %v", open)
	}
	if n := k.lost.Load(); n != 1 {
		t.Errorf("counted as lost %d times", n)
	}
}

// Where etcd grants no lease as short as asked for, it is said.
func TestLeaseLonger(t *testing.T) {
	etcd := registrytest.StartEtcd(t, func(c *embed.Config) { c.TickMs, c.ElectionMs = 200, 2000 })
	k := keepLease(t, etcd.Client())
	eventually(t, "a lease", func() bool { return k.current() != nil })
	if !k.log.Has("asked=2s granted=3s") {
		t.Errorf("said: %s", k.log)
	}
}

// The fence counts from when a request was sent, and keeps an eighth back.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fence
		check := func(what string, want time.Duration) {
			t.Helper()
			if got := f.open(); got != want {
				t.Errorf("%s: open for %v, want %v", what, got, want)
			}
		}
		check("zero", 0)
		f.renew(time.Now().Add(-time.Second), 8*time.Second)
		check("renewed", 6*time.Second)
		time.Sleep(6 * time.Second)
		check("later", 0)
		f.renew(time.Now().Add(-7*time.Second), 8*time.Second)
		check("renewed by an answer that took long", 0)
		f.renew(time.Now(), 8*time.Second)
		check("renewed again", 7*time.Second)
		f.shut()
		check("shut", 0)
	})
}
