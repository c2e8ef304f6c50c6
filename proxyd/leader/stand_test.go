package leader

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/pause"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// Grant takes as long as a renewal.
func (s *slow) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	s.renewed = time.Now()
	if !pause.Sleep(ctx, s.delay) {
		return nil, ctx.Err()
	}
	return &clientv3.LeaseGrantResponse{ID: 1, TTL: ttl}, nil
}

// unheld is an etcd in which nobody holds the key.
type unheld struct{ clientv3.KV }

func (unheld) Txn(context.Context) clientv3.Txn    { return unheldTxn{} }
func (unheldTxn) If(...clientv3.Cmp) clientv3.Txn  { return unheldTxn{} }
func (unheldTxn) Then(...clientv3.Op) clientv3.Txn { return unheldTxn{} }
func (unheldTxn) Else(...clientv3.Op) clientv3.Txn { return unheldTxn{} }
func (unheldTxn) Commit() (*clientv3.TxnResponse, error) {
	return &clientv3.TxnResponse{Succeeded: true}, nil
}

type unheldTxn struct{}

// What counts of the first lease is when it was asked for, too.
func TestGrantCountsFromSending(t *testing.T) {
	for _, delay := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			leases := &slow{delay: delay}
			client := clientv3.NewCtxClient(t.Context())
			client.Lease, client.KV = leases, unheld{}
			term, err := newCandidate(Config{Client: client, Key: "/k", Node: "a", TTL: 12 * time.Second, Logger: quiet}).stand(t.Context())
			if err != nil || term == nil || term.end.Sub(leases.renewed) != 9*time.Second {
				t.Errorf("delay %v: %+v, %v; want a term that ends 9s after the lease was granted", delay, term, err)
			}
		})
	}
}

// hesitant is etcd's leases behind a connection that loses the first request.
type hesitant struct {
	clientv3.Lease
	sent []time.Time
}

func (h *hesitant) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	if h.sent = append(h.sent, time.Now()); len(h.sent) == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &clientv3.LeaseKeepAliveResponse{ID: id, TTL: 12}, nil
}

// One request that is lost ends no term; renewals are a sixth of the TTL apart,
// or somewhat less at random.
func TestKeepsTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientv3.NewCtxClient(t.Context())
		leases := &hesitant{}
		client.Lease = leases
		n := newCandidate(Config{Client: client, Key: "/k", Node: "a", TTL: 12 * time.Second, Logger: quiet})
		term := &term{candidate: n, end: end(time.Now(), 12)}
		ctx, cancel := context.WithCancelCause(t.Context())
		expiry := time.AfterFunc(time.Until(term.end), func() { cancel(errExpired) })
		enough := errors.New("enough")
		time.AfterFunc(5*time.Minute, func() { cancel(enough) })
		term.keep(ctx, expiry, cancel)
		if cause := context.Cause(ctx); !errors.Is(cause, enough) {
			t.Fatalf("it ended: %v", cause)
		}
		gaps := map[time.Duration]bool{}
		for i, at := range leases.sent[2:] {
			gap := at.Sub(leases.sent[i+1])
			if gaps[gap] = true; gap > 2*time.Second || gap < 1500*time.Millisecond {
				t.Errorf("%v from one renewal to the next", gap)
			}
		}
		if len(gaps) < 10 {
			t.Errorf("%d different times between renewals", len(gaps))
		}
	})
}

// Who stands where another holds the key gets nothing, and leaves nothing.
func TestStandsTooLate(t *testing.T) {
	t.Parallel()
	client := connect(t, registrytest.StartEtcd(t).Endpoint())
	if _, err := client.Put(t.Context(), testKey(t), "b"); err != nil {
		t.Fatal(err)
	}
	n := newCandidate(Config{Client: client, Key: testKey(t), Node: "a", TTL: testTTL, Logger: quiet})
	if term, err := n.stand(t.Context()); err != nil || term != nil {
		t.Errorf("%+v, %v", term, err)
	}
	wantHolder(t, client, "b")
	if left, err := client.Leases(t.Context()); err != nil || len(left.Leases) != 0 {
		t.Errorf("leases %v are left, %v", left, err)
	}
}

// A leader that is stopped holds the key until its function has returned.
func TestHoldsUntilReturned(t *testing.T) {
	t.Parallel()
	client := connect(t, registrytest.StartEtcd(t).Endpoint())
	metrics := prometheus.NewRegistry()
	ctx, stop := context.WithCancel(t.Context())
	c := Config{Client: client, Key: testKey(t), Node: "a", Logger: quiet, Registerer: metrics}
	err := Run(ctx, c, func(leading context.Context) error {
		stop()
		<-leading.Done()
		for until := time.Now().Add(300 * time.Millisecond); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
			wantHolder(t, client, "a")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantHolder(t, client, "")
	if left, err := metrics.Gather(); err != nil || len(left) != 0 {
		t.Errorf("metrics %v are left, %v", left, err)
	}
}

// The gauge says whether this node leads, and no longer than it does.
func TestLeadsNoMore(t *testing.T) {
	t.Parallel()
	n := newCandidate(Config{Client: connect(t, registrytest.StartEtcd(t).Endpoint()), Key: testKey(t), Node: "a", Logger: quiet})
	leads := func() float64 { return registrytest.Metric(t, n.leads) }
	won, err := n.round(t.Context(), func(context.Context) error {
		if leads() != 1 {
			t.Error("leads, and doesn't say so")
		}
		return nil
	})
	if !won || err != nil || leads() != 0 {
		t.Errorf("won %v, %v; leads %v when that is over", won, err, leads())
	}
}
