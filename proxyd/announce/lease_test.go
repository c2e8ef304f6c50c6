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

	"github.com/svcreg/svcreg/registry/pause"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// keptLease is a lease that is kept until the test ends.
type keptLease struct {
	*lease
	log  *registrytest.Log
	lost atomic.Int32
	stop func()
}

// keepLease keeps a lease. One that is short is lost on a busy machine.
func keepLease(t *testing.T, client *clientv3.Client, ttl time.Duration) *keptLease {
	t.Helper()
	k := &keptLease{log: &registrytest.Log{}}
	k.lease = &lease{
		client: client, ttl: ttl, logger: slog.New(slog.NewTextHandler(k.log, nil)),
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
	const ttl = 6 * time.Second
	k := keepLease(t, etcd.Client(), ttl)
	eventually(t, "a lease", func() bool { return k.current() != nil })
	id := k.current().id
	for end := time.Now().Add(ttl + time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		now := k.current()
		if now == nil || now.id != id {
			t.Fatalf("the lease isn't sure any more: %v", now)
		}
		// etcd's lease always outlives the fence.
		asked, open := time.Now(), now.open()
		left, err := etcd.Client().TimeToLive(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if lasts := time.Since(asked) + time.Duration(left.TTL+1)*time.Second; open > lasts {
			t.Fatalf("the fence is open for %v, the lease lasts less than %v", open, lasts)
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
	k := keepLease(t, etcd.Client(), 2*DefaultTTL)
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
	k := keepLease(t, etcd.Client(), 5*DefaultTTL)
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
	k := keepLease(t, etcd.Client(), DefaultTTL)
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

// slowLeases are etcd's leases behind a connection on which answers take a
// while, and from some time on never come.
type slowLeases struct {
	clientv3.Lease
	delay   time.Duration
	until   time.Time
	renewed time.Time // when etcd granted or renewed the lease
	sent    []time.Time
}

func (s *slowLeases) answer(ctx context.Context) error {
	if time.Now().Before(s.until) {
		s.renewed = time.Now()
		if pause.Sleep(ctx, s.delay) {
			return nil
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *slowLeases) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	return &clientv3.LeaseGrantResponse{ID: 1, TTL: ttl}, s.answer(ctx)
}

func (s *slowLeases) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	s.sent = append(s.sent, time.Now())
	return &clientv3.LeaseKeepAliveResponse{ID: id, TTL: 16}, s.answer(ctx)
}

// What counts is when a request was sent, not when it was answered, and once
// answers fail to come that is found out soon.
func TestLeaseCountsFromSending(t *testing.T) {
	for _, test := range []struct{ delay, lasts time.Duration }{
		{0, time.Minute}, {time.Second, time.Minute}, {3 * time.Second, time.Minute},
		{3 * time.Second, time.Second}, // of which only the grant is answered
	} {
		synctest.Test(t, func(t *testing.T) {
			leases := &slowLeases{delay: test.delay, until: time.Now().Add(test.lasts)}
			client := clientv3.NewCtxClient(t.Context())
			client.Lease = leases
			var lost time.Time
			l := &lease{
				client: client, ttl: 16 * time.Second, logger: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1),
				lost: func() { lost = time.Now() },
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = l.run(ctx)
			}()
			time.Sleep(test.lasts + test.delay)
			synctest.Wait()
			if now := l.current(); now == nil {
				t.Error("there is no lease")
			} else if ends := time.Now().Add(now.open()); ends.Sub(leases.renewed) != 14*time.Second {
				t.Errorf("delay %v: sure of a lease of 16s for %v after it was renewed", test.delay, ends.Sub(leases.renewed))
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if took := lost.Sub(leases.renewed); took < 14*time.Second || took > 21*time.Second {
				t.Errorf("delay %v: found out %v after the lease was renewed that it isn't sure any more", test.delay, took)
			}
			stop()
			<-done
		})
	}
}

// Keepalives are a sixth of the TTL apart, or somewhat less at random: several
// may fail before the lease isn't sure any more, and nodes don't keep in step.
func TestLeaseKeepalives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &slowLeases{until: time.Now().Add(10 * time.Minute)}
		client := clientv3.NewCtxClient(t.Context())
		client.Lease = leases
		l := &lease{client: client, ttl: 16 * time.Second, logger: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1)}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		if err := l.run(ctx); err != nil {
			t.Error(err)
		}
		gaps := map[time.Duration]bool{}
		for i, at := range leases.sent[1:] {
			gap := at.Sub(leases.sent[i])
			if gaps[gap] = true; gap > 16*time.Second/6 || gap < 16*time.Second/8 {
				t.Errorf("%v from one keepalive to the next", gap)
			}
		}
		if len(gaps) < 10 {
			t.Errorf("%d different times between keepalives", len(gaps))
		}
	})
}
