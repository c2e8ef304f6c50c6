//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/dataplane/traffic"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/show"
)

// Parts say which of the measures of Kernel are made beside loading.
type Parts struct{ Flows, Connections, Changes bool }

// Kernel measures what shapes cost once they stand, and what it costs to have
// them stand. All shapes stand at once, each in its own network, and take
// turns.
func (m *Measurer) Kernel(ctx context.Context, f *services.Fleet, round int, p Parts) (err error) {
	m.Log("%v, round %d of %d", f, round+1, m.Settings.Rounds)
	var lanes []*lane
	defer func() {
		for _, l := range lanes {
			err = errors.Join(err, l.close())
		}
	}()
	for _, s := range program.Rotated(m.Shapes, round) {
		l, err := m.open(ctx, s, f)
		lanes = append(lanes, l)
		if err != nil {
			return err
		}
		m.Log("  loaded in %v: %s", l.load.Round(time.Millisecond), s.Name)
		if !s.IsFloor() {
			m.Results.Add(report.Load, s.Name, size(f), l.load.Seconds())
			m.Results.Add(report.Memory, s.Name, size(f), l.memory)
		}
	}
	for _, step := range []struct {
		wanted  bool
		measure func(context.Context, []*lane) error
	}{{p.Flows, m.flows}, {p.Connections, m.connections}, {p.Changes, m.changes}} {
		if step.wanted && ctx.Err() == nil {
			if err := step.measure(ctx, lanes); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// elsewhere is an address that is no service's.
var elsewhere = netip.AddrPortFrom(services.Elsewhere.Addr().Next(), services.Port)

// targets are where flows go to: services only where there are any.
func (l *lane) targets() map[report.Measure]netip.AddrPort {
	targets := map[report.Measure]netip.AddrPort{report.FlowNone: elsewhere}
	if !l.IsFloor() {
		targets[report.FlowFirst], targets[report.FlowLast] = l.fleet.First().Portal(), l.fleet.Last().Portal()
	}
	return targets
}

// found are the values of a round's bouts, by measure and shape.
type found map[report.Measure]map[shape.Name][]float64

func (f found) add(m report.Measure, s shape.Name, value float64) {
	if f[m] == nil {
		f[m] = map[shape.Name][]float64{}
	}
	f[m][s] = append(f[m][s], value)
}

// median adds the medians to the results.
func (f found) median(r *report.Results, n report.Size) {
	for m, shapes := range f {
		for s, values := range shapes {
			r.Add(m, s, n, show.Median(values))
		}
	}
}

// flows measures what a new flow costs.
func (m *Measurer) flows(ctx context.Context, lanes []*lane) error {
	f := found{}
	for bout := range m.Settings.Bouts {
		for _, l := range program.Rotated(lanes, bout) {
			for what, to := range l.targets() {
				cost, err := l.flows.Cost(ctx, to, m.Settings.FlowTime)
				if err != nil {
					return fmt.Errorf("%s, %v, %s: %w", l.Name, l.fleet, what, err)
				}
				f.add(what, l.Name, cost.Seconds())
			}
		}
	}
	f.median(m.Results, size(lanes[0].fleet))
	return ctx.Err()
}

// connections measures real connections. Where there are no services they go
// to an endpoint.
func (m *Measurer) connections(ctx context.Context, lanes []*lane) error {
	f := found{}
	for bout := range m.Settings.ConnectBouts {
		for _, l := range program.Rotated(lanes, bout) {
			to := l.fleet.Talker().Portal()
			if l.IsFloor() {
				to = netip.AddrPortFrom(l.fleet.Talker().Service.Endpoints[0], services.Port)
			}
			began := time.Now()
			took, err := traffic.Connect(ctx, l.network, to, m.Settings.ConnectTime)
			if err != nil {
				return fmt.Errorf("%s, %v: %w", l.Name, l.fleet, err)
			}
			f.add(report.Connections, l.Name, float64(len(took))/time.Since(began).Seconds())
			f.add(report.Connect, l.Name, show.Median(seconds(took)))
			if err := l.flows.Forget(); err != nil {
				return err
			}
		}
	}
	f.median(m.Results, size(lanes[0].fleet))
	return ctx.Err()
}

// changeTime is how long a shape's changes may take in a round; two are made in
// any case.
const changeTime = 5 * time.Second

// changes measures changes of one endpoint in the kernel. The median of some is
// a round's value.
func (m *Measurer) changes(ctx context.Context, lanes []*lane) error {
	for _, l := range lanes {
		if l.IsFloor() {
			continue
		}
		var values []float64
		for began := time.Now(); len(values) < m.Settings.Changes && (len(values) < 2 || time.Since(began) < changeTime); {
			took, err := l.change(ctx)
			if err != nil {
				return fmt.Errorf("%s, %v: change: %w", l.Name, l.fleet, err)
			}
			values = append(values, took.Seconds())
		}
		m.Results.Add(report.Change, l.Name, size(l.fleet), show.Median(values))
	}
	return ctx.Err()
}
