package measure

import (
	"context"
	"fmt"

	"github.com/svcreg/svcreg/bench/process"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/proxy/lab"
	"github.com/svcreg/svcreg/bench/proxy/report"
	"github.com/svcreg/svcreg/bench/proxy/wrk"
)

// unpinnedRounds is how many rounds without pinning are enough for an extra.
const unpinnedRounds = 3

// load is what the servers of a lane are asked for.
type load struct {
	lane        report.Lane
	body        lab.Body
	connections int
}

// ServerBound measures each server on a core of its own; clients and backend
// share another.
func (m *Measurer) ServerBound(ctx context.Context) error {
	return m.throughput(ctx, m.Settings.Rounds, m.Settings.ServerCore, m.Settings.ClientCore, []load{
		{report.Small, lab.Small, m.Settings.Connections},
		{report.Large, lab.Large, m.Settings.Connections},
		{report.SmallAlone, lab.Small, 1},
		{report.LargeAlone, lab.Large, 1},
	})
}

// Unpinned measures servers as they are mostly run, sharing all cores with
// clients and backend.
func (m *Measurer) Unpinned(ctx context.Context) error {
	return m.throughput(ctx, min(unpinnedRounds, m.Settings.Rounds), 0, 0, []load{
		{report.SmallUnpinned, lab.Small, m.Settings.Connections},
		{report.LargeUnpinned, lab.Large, m.Settings.Connections},
	})
}

func (m *Measurer) throughput(ctx context.Context, rounds, serverCore, clientCore int, loads []load) error {
	unpin, err := process.PinSelf(clientCore)
	if err != nil {
		return err
	}
	defer unpin()
	b := &bout{Measurer: m, core: clientCore}
	defer b.stop()
	if err := b.start(ctx, serverCore); err != nil {
		return err
	}
	for n := range rounds {
		for _, l := range loads {
			m.Log("round %d of %d: %s", n+1, rounds, l.lane)
			for _, s := range program.Rotated(b.servers, n) {
				if err := b.round(ctx, s, l); err != nil {
					return fmt.Errorf("%s, %s: %w", l.lane, s.Name, err)
				}
			}
		}
	}
	return nil
}

// bout is the servers that are measured beside each other, all running at once
// and mostly idle, and the backend of all but the first.
type bout struct {
	*Measurer
	core    int // of clients and backend
	backend *lab.Server
	servers []*lab.Server
}

// start starts the servers, and has them checked.
func (b *bout) start(ctx context.Context, core int) (err error) {
	if b.backend, err = b.Lab.Backend(ctx, b.core); err != nil {
		return err
	}
	for _, name := range report.Servers {
		s, err := b.Lab.Serve(ctx, name, b.backend.Addr, core)
		if err != nil {
			return err
		}
		b.servers = append(b.servers, s)
		if err := b.Lab.Check(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *bout) stop() {
	for _, s := range b.servers {
		s.Stop()
	}
	if b.backend != nil {
		b.backend.Stop()
	}
}

// round has one server asked for a body for a while.
func (b *bout) round(ctx context.Context, s *lab.Server, l load) error {
	before, err := s.CPU()
	if err != nil {
		return err
	}
	r, err := wrk.Run(ctx, b.Lab.Dir(), wrk.Load{URL: s.URL(string(l.body)), Connections: l.connections, Time: b.Settings.RoundTime, Core: b.core})
	if err != nil {
		return err
	}
	after, err := s.CPU()
	if err != nil {
		return err
	}
	const micro = 1e-6
	used, rate := (after - before).Seconds(), float64(r.Requests)/(r.Took*micro)
	for m, value := range map[report.Measure]float64{
		report.Rate: rate, report.P50: r.P50 * micro, report.P99: r.P99 * micro,
		report.CPU: used / float64(r.Requests), report.Busy: used / (r.Took * micro),
	} {
		b.Results.Add(l.lane, s.Name, m, value)
	}
	b.Log("  %7.0f/s  p50 %6.2f ms  p99 %6.2f ms  busy %.2f  %s", rate, r.P50/1e3, r.P99/1e3, used/(r.Took*micro), s.Name)
	return nil
}
