package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/report"
)

// probeGap is the pause between two timed changes.
const probeGap = 5 * time.Millisecond

// Change measures how long changes take from the acknowledged write to the new
// answer, with nothing else going on and under load.
func (m *Measurer) Change(ctx context.Context) ([]report.Change, error) {
	var results []report.Change
	for _, p := range []peers.Peer{peers.Kubernetes, peers.Svcreg} {
		r, err := m.change(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("change: %w", err)
		}
		results = append(results, r...)
	}
	return results, nil
}

func (m *Measurer) change(ctx context.Context, p peers.Peer) ([]report.Change, error) {
	s, err := m.Lab.Serve(ctx, p, 0)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if _, err := firstAnswer(ctx, s, m.question()); err != nil {
		return nil, err
	}
	probes, err := m.newProbes(s)
	if err != nil {
		return nil, err
	}
	defer probes.close()
	m.Log("change, quiet: %s", p)
	for range m.Settings.Samples {
		if err := probes.next(ctx); err != nil {
			return nil, err
		}
	}
	results := probes.results(0, 0)
	m.Log("change, under load: %s", p)
	loaded, err := m.underLoad(ctx, s, probes)
	return append(results, loaded...), err
}

// probes time changes of services that nobody else changes.
type probes struct {
	server *lab.Server
	write  lab.Write
	list   []*probe
}

// probe is one service whose changes are timed.
type probe struct {
	what    string
	service fleet.Service
	kind    fleet.Kind
	asker   *asker
	changes int
	seconds []float64
}

func (m *Measurer) newProbes(s *lab.Server) (*probes, error) {
	all := &probes{server: s, write: m.Lab.Writer(s.Peer)}
	for _, one := range []probe{
		{what: "portal IP", service: m.Lab.Fleet.Service(fleet.ProbePortal), kind: fleet.A},
		{what: "endpoint, headless", service: m.Lab.Fleet.Service(fleet.ProbeHeadless), kind: fleet.HeadlessA},
	} {
		q, _ := one.service.Question(one.kind)
		a, err := newAsker(s, q)
		if err != nil {
			all.close()
			return nil, err
		}
		one.asker = a
		all.list = append(all.list, &one)
	}
	return all, nil
}

func (p *probes) close() {
	for _, one := range p.list {
		one.asker.close()
	}
}

// results returns what was timed, and forgets it.
func (p *probes) results(changes, qps float64) []report.Change {
	var list []report.Change
	for _, one := range p.list {
		list = append(list, report.Change{
			Server: p.server.Peer, What: one.what, Changes: changes, QPS: qps, Seconds: one.seconds,
		})
		one.seconds = nil
	}
	return list
}

// next times one change of each service.
func (p *probes) next(ctx context.Context) error {
	for _, one := range p.list {
		if err := p.time(ctx, one); err != nil {
			return err
		}
		if err := program.Sleep(ctx, probeGap); err != nil {
			return err
		}
	}
	return nil
}

func (p *probes) time(ctx context.Context, one *probe) error {
	one.changes++
	changed := one.service.Changed(one.changes)
	want, _ := changed.Question(one.kind)
	if err := p.write(ctx, lab.Object(changed)); err != nil {
		return err
	}
	acknowledged := time.Now()
	served, err := one.asker.until(ctx, p.server, 0, want.Check)
	one.seconds = append(one.seconds, served.Sub(acknowledged).Seconds())
	return err
}
