//go:build linux

package measure

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/dataplane/traffic"
	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/process"
	"github.com/svcreg/svcreg/bench/program"
)

const (
	// flowGap is the pause between the flows that show a change.
	flowGap = 200 * time.Microsecond
	// sampleTime is how long changes are timed, one at a time, at most.
	sampleTime = time.Minute
)

// endToEnd measures how long it takes from a write to etcd to a packet at the
// new endpoint, with nothing else going on and with other changes meanwhile.
func (m *Measurer) endToEnd(ctx context.Context, n *node, p *process.Process, s shape.Shape) (err error) {
	stop, err := n.stream(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	m.Log("  changes, one at a time: %s", s.Name)
	for began, i := time.Now(), 0; i < m.Settings.Samples && time.Since(began) < sampleTime; i++ {
		took, err := n.probe(ctx, p)
		if err != nil {
			return err
		}
		m.Results.Add(report.EndToEnd, s.Name, size(n.fleet), took.Seconds())
	}
	m.Log("  changes among %d others a second: %s", m.Settings.BusyRate, s.Name)
	return m.busy(ctx, n, p, s)
}

// stream begins flows to the probe, one after the other, until stop is called.
func (n *node) stream(ctx context.Context) (stop func() error, err error) {
	// So many flows would fill the node's table.
	if err := n.network.Node.Sysctl(map[string]string{"netfilter/nf_conntrack_udp_timeout": "1"}); err != nil {
		return nil, err
	}
	streamed := make(chan error, 1)
	streaming, cancel := context.WithCancel(ctx)
	go func() { streamed <- traffic.Stream(streaming, n.sender, n.fleet.Probe().Portal(), flowGap) }()
	return func() error {
		cancel()
		return <-streamed
	}, nil
}

// restart measures how long a proxyd takes from its start, with all rules of the
// last one in the kernel, until what changed meanwhile is in force.
func (m *Measurer) restart(ctx context.Context, n *node, s shape.Shape) (p *process.Process, err error) {
	stop, err := n.stream(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	arrived, err := n.swap(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if p, err = n.start(ctx, s); err != nil {
		return nil, err
	}
	at, err := n.arrival(ctx, p, arrived)
	if err == nil {
		m.Results.Add(report.Restart, s.Name, size(n.fleet), at.Sub(began).Seconds())
	}
	return p, err
}

// busy times changes while other services change, too.
func (m *Measurer) busy(ctx context.Context, n *node, p *process.Process, s shape.Shape) error {
	others, stop := context.WithCancel(ctx)
	defer stop()
	churned, before, began := make(chan error, 1), n.churned, time.Now()
	go func() { churned <- n.churn(others, time.Second/time.Duration(m.Settings.BusyRate)) }()
	var failure error
	for time.Since(began) < m.Settings.BusyTime && failure == nil {
		var took time.Duration
		if took, failure = n.probe(ctx, p); failure == nil {
			m.Results.Add(report.Busy, s.Name, size(n.fleet), took.Seconds())
		}
	}
	during := time.Since(began)
	stop()
	failure = errors.Join(failure, <-churned)
	m.Results.Add(report.BusyRate, s.Name, size(n.fleet), float64(n.churned-before)/during.Seconds())
	return failure
}

// probe swaps the endpoint of the probe, and returns how long it took from the
// acknowledged write until a packet came to the new one: no time where that was
// faster. A pause that is never the same comes first: what proxyd does now and
// then must not be in step.
func (n *node) probe(ctx context.Context, p *process.Process) (time.Duration, error) {
	if err := program.Sleep(ctx, 20*time.Millisecond+rand.N(20*time.Millisecond)); err != nil { //nolint:gosec // no secret
		return 0, err
	}
	arrived, err := n.swap(ctx)
	if err != nil {
		return 0, err
	}
	acknowledged := time.Now()
	at, err := n.arrival(ctx, p, arrived)
	return max(0, at.Sub(acknowledged)), err
}

// swap writes another endpoint of the probe, and returns where the time will come
// of the first packet to it.
func (n *node) swap(ctx context.Context) (<-chan time.Time, error) {
	n.probed++
	now := n.fleet.Probe().Swapped(n.probed)
	arrived := n.receiver.Expect(now.Service.Endpoints[0])
	return arrived, n.put(ctx, now)
}

// arrival waits for that packet, and returns when it came.
func (n *node) arrival(ctx context.Context, p *process.Process, arrived <-chan time.Time) (time.Time, error) {
	select {
	case at := <-arrived:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	case <-time.After(patience):
		return time.Time{}, errors.Join(errors.New("no packet came to the new endpoint"), p.Err())
	}
}

// churn swaps an endpoint of one service after another, but for the special
// ones, until ctx ends.
func (n *node) churn(ctx context.Context, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		ordinary := n.fleet.Len() - 4
		s := n.fleet.Service(1 + n.churned%ordinary).Swapped(1 + n.churned/ordinary)
		if err := n.put(ctx, s); err != nil && ctx.Err() == nil {
			return err
		}
		n.churned++
	}
}

// put writes what serves a service.
func (n *node) put(ctx context.Context, s services.Service) error {
	o := s.Slice()
	value, err := kube.Protobuf(o)
	if err != nil {
		return err
	}
	return n.store.Put(ctx, kube.Key(o), value)
}
