//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
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
	// So many flows would fill the node's table.
	if err := n.network.Node.Sysctl(map[string]string{"netfilter/nf_conntrack_udp_timeout": "1"}); err != nil {
		return err
	}
	streamed := make(chan error, 1)
	streaming, stop := context.WithCancel(ctx)
	go func() { streamed <- traffic.Stream(streaming, n.sender, n.fleet.Probe().Portal(), flowGap) }()
	defer func() {
		stop()
		err = errors.Join(err, <-streamed)
	}()
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
	n.probed++
	now := n.fleet.Probe().Swapped(n.probed)
	arrived := n.receiver.Expect(now.Service.Endpoints[0])
	if err := n.put(ctx, now); err != nil {
		return 0, err
	}
	acknowledged := time.Now()
	select {
	case at := <-arrived:
		return max(0, at.Sub(acknowledged)), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(patience):
		return 0, errors.Join(fmt.Errorf("no packet came to %v", now.Service.Endpoints[0]), p.Err())
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
