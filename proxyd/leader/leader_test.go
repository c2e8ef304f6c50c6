package leader

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/pause"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// A leader that is stopped hands over at once, not when its lease ends.
func TestHandOver(t *testing.T) {
	t.Parallel()
	client := connect(t, registrytest.StartEtcd(t).Endpoint())
	s := newStage(t)
	s.ttl = 10 * patience
	stop := s.run(client, "a")
	s.want(event{"a", true})
	wantHolder(t, client, "a")
	s.run(client, "b")
	stop()
	s.want(event{"a", false})
	s.want(event{"b", true})
	wantHolder(t, client, "b")
}

// A leader whose connection hangs or is cut stops before another begins, and
// stands again once it is back.
func TestPartition(t *testing.T) {
	t.Parallel()
	e := registrytest.StartEtcd(t)
	direct := connect(t, e.Endpoint())
	relay := startRelay(t, e)
	s := newStage(t)
	s.run(connect(t, relay.endpoint()), "a")
	s.want(event{"a", true})
	stop := s.run(direct, "b")
	for range 2 {
		relay.pause(true)
		s.want(event{"a", false})
		s.want(event{"b", true})
		relay.pause(false)
		stop()
		s.want(event{"b", false})
		s.want(event{"a", true})
		stop = s.run(direct, "b")
	}
	relay.cut()
	s.want(event{"a", false})
	s.want(event{"b", true})
}

// A leader stays one for longer than its lease, and while etcd is away for
// less than that: on a busy machine its restart takes seconds.
func TestKeeps(t *testing.T) {
	t.Parallel()
	e := registrytest.StartEtcd(t)
	client := connect(t, e.Endpoint())
	s := newStage(t)
	s.ttl = 16 * time.Second
	s.run(client, "a")
	s.want(event{"a", true})
	over := time.After(s.ttl + time.Second)
	s.run(client, "b")
	e.Restart()
	select {
	case got := <-s.events:
		t.Fatalf("unexpected: %+v", got)
	case <-over:
	}
}

// etcd loses all it had: the leader stops, and one is elected anew.
func TestEtcdLosesAll(t *testing.T) {
	t.Parallel()
	e := registrytest.StartEtcd(t)
	client := connect(t, e.Endpoint())
	s := newStage(t)
	s.run(client, "a")
	s.want(event{"a", true})
	e.Reset()
	s.want(event{"a", false})
	s.want(event{"a", true})
}

// Who deletes the key, or takes it, makes the leader stop.
func TestKeyTaken(t *testing.T) {
	t.Parallel()
	client := connect(t, registrytest.StartEtcd(t).Endpoint())
	s := newStage(t)
	s.ttl = 10 * patience
	s.run(client, "a")
	for _, op := range []clientv3.Op{clientv3.OpDelete(testKey(t)), clientv3.OpPut(testKey(t), "somebody")} {
		s.want(event{"a", true})
		if _, err := client.Do(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		s.want(event{"a", false})
	}
	wantHolder(t, client, "somebody")
}

// A function that fails gives the lead up, is called again, and not in a loop
// without pauses.
func TestFunctionFails(t *testing.T) {
	t.Parallel()
	client := connect(t, registrytest.StartEtcd(t).Endpoint())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	start := time.Now()
	err := Run(ctx, Config{Client: client, Key: testKey(t), Node: "a", TTL: testTTL, Logger: quiet}, func(context.Context) error {
		if calls++; calls == 4 {
			cancel()
		}
		return errors.New("failed")
	})
	if took := time.Since(start); err != nil || calls != 4 || took < leastPause {
		t.Errorf("error %v, %d calls in %v", err, calls, took)
	}
	wantHolder(t, client, "")
}

// Run returns soon when ctx ends, with etcd away too.
func TestStopWithEtcdAway(t *testing.T) {
	t.Parallel()
	e := registrytest.StartEtcd(t)
	s := newStage(t)
	stop := s.run(connect(t, e.Endpoint()), "a")
	s.want(event{"a", true})
	idle := s.run(connect(t, e.Endpoint()), "b")
	e.Stop()
	idle()
	stop()
	s.want(event{"a", false})
}

func TestMetric(t *testing.T) {
	t.Parallel()
	client := connect(t, registrytest.StartEtcd(t).Endpoint())
	metrics := prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(t.Context())
	var during []*dto.MetricFamily
	c := Config{Client: client, Key: testKey(t), Node: "a", Logger: quiet, Registerer: metrics}
	if err := Run(ctx, c, func(context.Context) (err error) {
		during, err = metrics.Gather()
		cancel()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(during) != 1 || !strings.Contains(during[0].String(), `name:"proxyd_controller_leads"`) ||
		during[0].Metric[0].Gauge.GetValue() != 1 || during[0].Metric[0].Label[0].GetValue() != "test" {
		t.Errorf("got %v", during)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Config{Client: &clientv3.Client{}, Key: "/k", Node: "a"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for field, spoil := range map[string]func(*Config){
		"Client": func(c *Config) { c.Client = nil },
		"Key":    func(c *Config) { c.Key = "" },
		"Node":   func(c *Config) { c.Node = "" },
		"TTL 1s": func(c *Config) { c.TTL = time.Second },
		"TTL 2.": func(c *Config) { c.TTL = 2500 * time.Millisecond },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// slow is etcd's leases behind a connection on which answers take a while, and
// from some time on never come.
type slow struct {
	clientv3.Lease
	delay   time.Duration
	until   time.Time
	renewed time.Time // when etcd renewed the lease
}

func (s *slow) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	if time.Now().Before(s.until) {
		s.renewed = time.Now()
		if pause.Sleep(ctx, s.delay) {
			return &clientv3.LeaseKeepAliveResponse{ID: id, TTL: 12}, nil
		}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// What counts is when a keepalive was sent, not when it was answered.
func TestEndCountsFromSending(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			client := clientv3.NewCtxClient(t.Context())
			leases := &slow{delay: delay, until: time.Now().Add(time.Minute)}
			client.Lease = leases
			n := newCandidate(Config{Client: client, Key: "/k", Node: "a", TTL: 12 * time.Second, Logger: quiet})
			term := &term{candidate: n, end: end(time.Now(), 12)}
			ctx, cancel := context.WithCancelCause(t.Context())
			expiry := time.AfterFunc(time.Until(term.end), func() { cancel(errExpired) })
			term.keep(ctx, expiry, cancel)
			if lasted := time.Since(leases.renewed); !errors.Is(context.Cause(ctx), errExpired) || lasted != 9*time.Second {
				t.Errorf("delay %v: led for %v of 12 seconds after the lease was renewed: %v", delay, lasted, context.Cause(ctx))
			}
		})
	}
}

func wantHolder(t *testing.T, client *clientv3.Client, want string) {
	t.Helper()
	if got, err := Holder(t.Context(), client, testKey(t)); err != nil || got != want {
		t.Errorf("holder %q, %v; want %q", got, err, want)
	}
}
