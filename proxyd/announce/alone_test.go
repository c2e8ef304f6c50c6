package announce

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// transactions is an etcd that takes all of them, or fails.
type transactions struct {
	clientv3.KV
	made     int
	revision int64
	fails    error
}

func (x *transactions) Txn(context.Context) clientv3.Txn { return transaction{x} }
func (x *transactions) committed() (*clientv3.TxnResponse, error) {
	if x.fails != nil {
		return nil, x.fails
	}
	x.made++
	return &clientv3.TxnResponse{Header: &pb.ResponseHeader{Revision: x.revision}}, nil
}

// transaction is one of them, whatever is in it.
type transaction struct{ *transactions }

func (t transaction) If(...clientv3.Cmp) clientv3.Txn        { return t }
func (t transaction) Then(...clientv3.Op) clientv3.Txn       { return t }
func (t transaction) Else(...clientv3.Op) clientv3.Txn       { return t }
func (t transaction) Commit() (*clientv3.TxnResponse, error) { return t.committed() }

// loner is an agent whose loop doesn't run, on a segment and with an etcd
// inside the test.
type loner struct {
	*agent
	segment *fakeSegment
	etcd    *transactions
	events  *registrytest.Events
	term    *term
}

func newLoner(t *testing.T) *loner {
	t.Helper()
	l := &loner{segment: newFakeSegment(), etcd: &transactions{revision: 1}, events: &registrytest.Events{}}
	client := clientv3.NewCtxClient(t.Context())
	client.KV = l.etcd
	l.agent = newAgent(&Config{
		Client: client, Node: "node1", Feed: &Feed{}, TTL: DefaultTTL, Events: l.events, Logger: slog.New(slog.DiscardHandler),
	}, l.segment.open, func([]string) ([]link, error) { return []link{lan(1)}, nil }, func(ctx context.Context, _ func()) error {
		<-ctx.Done()
		return nil
	})
	l.term = &term{id: 1}
	l.term.renew(time.Now(), time.Hour)
	t.Cleanup(l.speaker.close)
	return l
}

// knows has the agent know that it is chosen for an address, at some revision,
// and who has claimed it.
func (l *loner) knows(t *testing.T, revision int64, claims map[netip.Addr]claim) *state {
	t.Helper()
	l.links = []link{lan(1)}
	l.config.Feed.Put(snapshotOf(t, address, anywhere))
	l.lease.term.Store(l.term)
	l.registered, l.record = l.term.id, &member{Subnets: subnetsOf(l.links), Local: map[netip.Addr]int{}}
	s := (&state{
		allocated: map[netip.Addr][]registry.Key{vip4: {{Namespace: "ns", Name: "web"}}}, claims: claims,
		members: map[string]*member{"node1": l.record}, leases: map[string]clientv3.LeaseID{"node1": l.term.id},
	}).clone(revision)
	l.view.set(s)
	return s
}

// How long an address is left alone depends on what came of asking for it.
func TestJudge(t *testing.T) {
	const say = "Warning ns/web "
	for _, test := range []struct {
		name        string
		verdict     verdict
		least, most time.Duration // for which it is left alone
		conflicts   float64
		event       string
		constant    bool
	}{
		{"nobody has it", verdict{addr: vip4, free: true}, 0, 0, 0, "", true},
		{"another has it", verdict{addr: vip4, by: them}, 22500 * time.Millisecond, 30 * time.Second, 1, say + "DuplicateAddress host 02:00:00:00:00:02 has 192.0.2.100, so it isn't announced", false},
		{"another asks for it, too", verdict{addr: vip4, by: them, asks: true}, time.Second, 3 * time.Second, 0, "", false},
		{"nobody could be asked", verdict{addr: vip4, err: errors.New("no device")}, 2 * time.Second, 2 * time.Second, 0, say + "AnnounceFailed node node1 can't ask whether another host has 192.0.2.100: no device", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoner(t)
				l.knows(t, 1, nil)
				times := map[time.Duration]bool{}
				for range 50 {
					delete(l.blocked, vip4)
					l.asking[vip4] = true
					l.judge(test.verdict)
					left := max(0, time.Until(l.blocked[vip4]))
					if times[left] = true; left < test.least || left > test.most {
						t.Fatalf("left alone for %v, want %v to %v", left, test.least, test.most)
					}
				}
				if (len(times) == 1) != test.constant {
					t.Errorf("left alone for %d different times", len(times))
				}
				if l.asking[vip4] || l.cleared[vip4].Equal(time.Now()) != test.verdict.free {
					t.Errorf("asking %v, cleared %v", l.asking, l.cleared)
				}
				if n := registrytest.Metric(t, l.metrics.conflicts); n != 50*test.conflicts {
					t.Errorf("%v conflicts counted, want %v each", n, test.conflicts)
				}
				if lines := l.events.Lines(); (test.event == "") != (len(lines) == 0) || len(lines) > 0 && lines[0] != test.event {
					t.Errorf("told %q, want %q", lines, test.event)
				}
			})
		})
	}
}

// An address is claimed at once where no other host had it a moment ago, or
// another node; else it is asked for first.
func TestTake(t *testing.T) {
	ago := func(d time.Duration) map[netip.Addr]time.Time {
		return map[netip.Addr]time.Time{vip4: time.Now().Add(-d)}
	}
	for _, test := range []struct {
		name         string
		know         func(l *loner, s *state)
		claims, asks bool
	}{
		{"nothing is known", func(*loner, *state) {}, false, true},
		{"a node has left it", func(_ *loner, s *state) { s.left = ago(9 * time.Second) }, true, false},
		{"a node has left it, long ago", func(_ *loner, s *state) { s.left = ago(10 * time.Second) }, false, true},
		{"it was asked for", func(l *loner, _ *state) { l.cleared = ago(9 * time.Second) }, true, false},
		{"it was asked for, long ago", func(l *loner, _ *state) { l.cleared = ago(10 * time.Second) }, false, true},
		{"it is asked for", func(l *loner, _ *state) { l.asking[vip4] = true }, false, true},
		{"it is left alone", func(l *loner, _ *state) { l.blocked = ago(-time.Second) }, false, false},
		{"it was left alone", func(l *loner, _ *state) { l.blocked = ago(0) }, false, true},
		{"it is claimed", func(_ *loner, s *state) { s.claims[vip4] = claim{node: "node2", lease: 2} }, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoner(t)
				s := l.knows(t, 1, nil)
				test.know(l, s)
				l.take(t.Context(), s, l.term, map[netip.Addr][]link{vip4: l.links})
				synctest.Wait()
				probes := len(l.segment.take())
				if l.etcd.made > 0 != test.claims || l.asking[vip4] != test.asks || probes > 0 != (test.asks && test.name != "it is asked for") {
					t.Errorf("%d claims, %d probes, asking %v", l.etcd.made, probes, l.asking)
				}
				if _, left := l.blocked[vip4]; left != (test.name == "it is left alone") {
					t.Errorf("left alone: %v", left)
				}
				l.speaker.close()
			})
		})
	}
}

// A node speaks for what it has claimed once it has seen its own last write: it
// may have released that just before.
func TestStepAwaitsOwnWrites(t *testing.T) {
	l := newLoner(t)
	mine := map[netip.Addr]claim{vip4: {node: "node1", lease: 1, revision: 3}}
	l.floor = 6
	l.knows(t, 5, mine)
	l.step(t.Context())
	if len(l.speaking) != 0 {
		t.Error("speaks before it has seen its last write")
	}
	l.knows(t, 6, mine)
	if l.step(t.Context()); len(l.speaking) != 1 {
		t.Error("doesn't speak")
	}
	l.term.shut()
	if l.step(t.Context()); len(l.speaking) != 0 || registrytest.Metric(t, l.metrics.lease) != 0 {
		t.Error("speaks without a lease, or says that it has one")
	}
}

// A claim that may have been released is released again before anything is said.
func TestReleaseFails(t *testing.T) {
	l := newLoner(t)
	s := l.knows(t, 1, map[netip.Addr]claim{vip4: {node: "node1", lease: 1, revision: 1}})
	wanted := map[netip.Addr][]link{vip4: l.links}
	l.etcd.fails = errors.New("away")
	l.release(t.Context(), s, l.term.id, nil)
	if !l.doubtful[vip4] || !l.again {
		t.Errorf("doubtful %v, again %v", l.doubtful, l.again)
	}
	if l.speak(s, l.term, wanted); len(l.speaking) != 0 {
		t.Error("speaks for what it may have released")
	}
	l.etcd.fails, l.etcd.revision = nil, 9
	l.release(t.Context(), s, l.term.id, wanted)
	if l.etcd.made != 1 || l.doubtful[vip4] || l.floor != 9 {
		t.Errorf("%d releases, doubtful %v, floor %d", l.etcd.made, l.doubtful, l.floor)
	}
}

// What can't be announced is told, and tried again.
func TestSpeakFails(t *testing.T) {
	l := newLoner(t)
	s := l.knows(t, 1, map[netip.Addr]claim{vip4: {node: "node1", lease: 1}})
	wanted := map[netip.Addr][]link{vip4: l.links}
	l.segment.fails = errors.New("no such device")
	l.speak(s, l.term, wanted)
	want := []string{"Warning ns/web AnnounceFailed node node1 can't announce 192.0.2.100: no such device"}
	if d := cmp.Diff(want, l.events.Lines()); d != "" || !l.again || len(l.speaking) != 0 {
		t.Errorf("told %s, again %v", d, l.again)
	}
	l.segment.fails, l.again = nil, false
	if l.speak(s, l.term, wanted); len(l.speaking) != 1 || l.again {
		t.Errorf("speaking %v, again %v", l.speaking, l.again)
	}
}

// Without a lease nothing is asked for either.
func TestSilenceEndsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoner(t)
		s := l.knows(t, 1, nil)
		l.take(t.Context(), s, l.term, map[netip.Addr][]link{vip4: l.links})
		l.silence()
		synctest.Wait()
		l.segment.take()
		time.Sleep(time.Minute)
		if sent := l.segment.take(); len(sent) != 0 || l.segment.openPorts() != 0 || len(l.asking) != 0 {
			t.Errorf("sent %+v, asking %v, with %d ports", sent, l.asking, l.segment.openPorts())
		}
	})
}

// An address that is left alone is counted, until it isn't this node's to
// announce any more.
func TestBlockedIsCounted(t *testing.T) {
	l := newLoner(t)
	s := l.knows(t, 1, nil)
	l.learn()
	l.blocked[vip4] = time.Now().Add(time.Hour)
	if l.wanted(s, l.term.id); registrytest.Metric(t, l.metrics.disputed) != 1 || len(l.blocked) != 1 {
		t.Errorf("blocked %v", l.blocked)
	}
	delete(s.allocated, vip4)
	if l.wanted(s, l.term.id); registrytest.Metric(t, l.metrics.disputed) != 0 || len(l.blocked) != 0 {
		t.Errorf("blocked %v", l.blocked)
	}
}

func TestPause(t *testing.T) {
	for _, test := range []struct {
		name string
		is   func(*loner)
		want time.Duration
	}{
		{"nothing to do", func(*loner) {}, 10 * time.Second},
		{"something failed", func(l *loner) { l.again = true }, 250 * time.Millisecond},
		{"it has just come", func(l *loner) { l.config.Settle, l.joined = 5*time.Second, time.Now().Add(-2*time.Second) }, 3 * time.Second},
		{"it has come", func(l *loner) { l.config.Settle, l.joined = 5*time.Second, time.Now().Add(-5*time.Second) }, 10 * time.Second},
		{"an address is left alone", func(l *loner) { l.blocked[vip4] = time.Now().Add(4 * time.Second) }, 4 * time.Second},
		{"one was", func(l *loner) { l.blocked[vip4] = time.Now().Add(-time.Second) }, time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoner(t)
				if test.is(l); l.pause() != test.want {
					t.Errorf("%v, want %v", l.pause(), test.want)
				}
			})
		})
	}
}

// The links are looked at every ten seconds, whatever else happens, and at once
// when they change. Those that were known hold where they can't be told.
func TestLooks(t *testing.T) {
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLoner(t)
			var looks []time.Duration
			start := time.Now()
			l.list = func([]string) ([]link, error) {
				if looks = append(looks, time.Since(start)); len(looks) > 1 {
					return nil, errors.New("the kernel is busy")
				}
				return []link{lan(1)}, nil
			}
			ctx, stop := context.WithTimeout(t.Context(), 35*time.Second)
			defer stop()
			time.AfterFunc(32*time.Second, func() { nudge(l.changes.wake) })
			if busy {
				for i := range time.Duration(35) {
					time.AfterFunc(i*time.Second+time.Second/2, func() { nudge(l.config.Feed.waiting()) })
				}
			}
			if err := l.loop(ctx); err != nil {
				t.Error(err)
			}
			want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second, 32 * time.Second}
			if d := cmp.Diff(want, looks); d != "" {
				t.Errorf("busy %v: looked at %s", busy, d)
			}
			if len(l.links) != 1 {
				t.Errorf("links %v", l.links)
			}
		})
	}
}

// A watch of the links that ends begins again.
func TestLinkWatchBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := &linkWatch{logger: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1)}
		w.watch = func(_ context.Context, changed func()) error {
			n++
			changed()
			return errNotTold
		}
		ctx, stop := context.WithTimeout(t.Context(), 35*time.Second)
		defer stop()
		if err := w.run(ctx); err != nil || n != 4 || len(w.wake) != 1 {
			t.Errorf("%d watches in 35 seconds, want 4; woken %d; %v", n, len(w.wake), err)
		}
	})
}

// What changed between two looks is all there at the second.
func TestFeed(t *testing.T) {
	var f Feed
	a, b, c := registry.Key{Name: "a"}, registry.Key{Name: "b"}, registry.Key{Name: "c"}
	first, second := &registry.Snapshot{}, &registry.Snapshot{}
	f.Put(first, &registry.Changes{Services: []registry.Key{a, b}})
	f.Put(second, &registry.Changes{Services: []registry.Key{b, c}})
	if len(f.waiting()) != 1 {
		t.Error("nobody is woken")
	}
	s, changed := f.take()
	if d := cmp.Diff(map[registry.Key]struct{}{a: {}, b: {}, c: {}}, changed); s != second || d != "" {
		t.Errorf("changed: %s", d)
	}
	if s, changed := f.take(); s != second || len(changed) != 0 {
		t.Errorf("again: %v", changed)
	}
}

// An address that lost its claim while nobody watched was a node's a moment ago,
// as it is when that is seen. Who is gone holds nothing.
func TestViewReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView(&Config{Logger: slog.New(slog.DiscardHandler)})
		kv := func(key, value string, revision int64) *mvccpb.KeyValue {
			return &mvccpb.KeyValue{Key: []byte("/svcreg/" + key), Value: []byte(value), ModRevision: revision, Lease: 7}
		}
		list := func(revision int64, kvs ...*mvccpb.KeyValue) {
			v.replace(&clientv3.GetResponse{Header: &pb.ResponseHeader{Revision: revision}, Kvs: kvs})
		}
		other := vip4.Next()
		list(1, kv("announced/192.0.2.100", "node1", 1), kv("announced/192.0.2.101", "node1", 1), kv("addresses/192.0.2.100",
			`{"pool": "lan", "holders": [{"namespace": "ns", "name": "a"}, {"namespace": "ns", "name": "b", "gone": "2026-01-01T00:00:00Z"}]}`, 1))
		if got := v.state().allocated[vip4]; len(got) != 1 || got[0].Name != "a" {
			t.Errorf("allocated to %v", got)
		}
		list(2, kv("announced/192.0.2.101", "node2", 2))
		if s := v.state(); s.revision != 2 || s.left[vip4] != time.Now() || len(s.left) != 1 || s.claims[other] != (claim{"node2", 7, 2}) {
			t.Errorf("left %v, claims %v", s.left, s.claims)
		}
		left := time.Now()
		time.Sleep(9 * time.Second)
		list(3)
		if s := v.state(); s.left[vip4] != left || s.left[other] != time.Now() {
			t.Errorf("left %v", s.left)
		}
		time.Sleep(2 * time.Second)
		list(4)
		if s := v.state(); len(s.left) != 1 {
			t.Errorf("left, after 11 seconds: %v", s.left)
		}
	})
}

// A setting that is wrong is named.
func TestValidate(t *testing.T) {
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		spoil func(*Config)
		want  string
	}{
		{"fine", func(*Config) {}, ""},
		{"no client", func(c *Config) { c.Client = nil }, "announce: Client is missing"},
		{"no layout", func(c *Config) { c.Layout = codec.Layout{} }, "announce: Layout is missing"},
		{"no node", func(c *Config) { c.Node = "" }, "announce: Node is missing"},
		{"no feed", func(c *Config) { c.Feed = nil }, "announce: Feed is missing"},
		{"a TTL that etcd doesn't grant", func(c *Config) { c.TTL = time.Second }, "announce-ttl: 1s: want whole seconds, at least 2s"},
		{"half a second", func(c *Config) { c.TTL = 2500 * time.Millisecond }, "announce-ttl: 2.5s: want whole seconds, at least 2s"},
		{"settled before it came", func(c *Config) { c.Settle = -1 }, "announce-settle: -1ns: want no less than nothing"},
		{"no name", func(c *Config) { c.Interfaces = []string{"eth*", ""} }, `announce-interfaces: "": want the name of an interface, or a pattern such as "eth*"`},
		{"no pattern", func(c *Config) { c.Interfaces = []string{"eth["} }, `announce-interfaces: "eth[": want the name of an interface, or a pattern such as "eth*"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Client: &clientv3.Client{}, Layout: layout, Node: "node1", Feed: &Feed{}, TTL: 3 * time.Second, Interfaces: []string{"eth*"}}
			test.spoil(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
