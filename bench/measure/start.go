package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/report"
)

// Start measures how long servers take from the start of the process to the
// first right answer. The server with a snapshot file finds no etcd.
func (m *Measurer) Start(ctx context.Context) ([]report.Start, error) {
	if err := m.saveSnapshot(ctx); err != nil {
		return nil, err
	}
	var results []report.Start
	for _, p := range []peers.Peer{peers.Whoami, peers.Kubernetes, peers.Svcreg, peers.SvcregSnapshot} {
		results = append(results, report.Start{Services: m.Lab.Fleet.Services, Server: p})
	}
	for n := range m.Settings.Repeat {
		for i := range results {
			m.Log("start, %d services, %d of %d: %s", m.Lab.Fleet.Services, n+1, m.Settings.Repeat, results[i].Server)
			took, err := m.start(ctx, results[i].Server)
			if err != nil {
				return nil, fmt.Errorf("start: %w", err)
			}
			results[i].Seconds = append(results[i].Seconds, took.Seconds())
		}
	}
	return results, nil
}

// question returns the question whose answer shows that a server has the
// fleet: that of the last service with a portal IP.
func (m *Measurer) question() fleet.Question {
	questions := m.Lab.Fleet.Questions(fleet.A)
	return questions[len(questions)-1]
}

func (m *Measurer) start(ctx context.Context, p peers.Peer) (time.Duration, error) {
	q := m.question()
	began := time.Now()
	s, err := m.serve(ctx, p)
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	answered, err := firstAnswer(ctx, s, q)
	return answered.Sub(began), err
}

// serve starts a server on all cores, the one with a snapshot file without
// etcd.
func (m *Measurer) serve(ctx context.Context, p peers.Peer) (*lab.Server, error) {
	if p == peers.SvcregSnapshot {
		return m.Lab.ServeAlone(ctx, p)
	}
	return m.Lab.Serve(ctx, p, 0)
}

// saveSnapshot has svcreg write its snapshot file, which it does at the latest
// when it ends.
func (m *Measurer) saveSnapshot(ctx context.Context) error {
	s, err := m.Lab.Serve(ctx, peers.SvcregSnapshot, 0)
	if err != nil {
		return err
	}
	defer s.Stop()
	_, err = firstAnswer(ctx, s, m.question())
	return err
}
