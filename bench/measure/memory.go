package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/svcreg/svcreg/bench/dnsperf"
	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/report"
)

const (
	// memoryQPS and memoryTime are the questions that a server answers before
	// its memory is looked at, no longer than a round.
	memoryQPS  = 10_000
	memoryTime = 2 * time.Second
	// memoryRepeat is how many processes of each server are enough.
	memoryRepeat = 3
)

// Memory measures what servers have resident, after some questions and a
// while.
func (m *Measurer) Memory(ctx context.Context) ([]report.Memory, error) {
	if err := dnsperf.WriteQuestions(m.fileOf(fleet.A), m.Lab.Fleet.Questions(fleet.A)); err != nil {
		return nil, err
	}
	var results []report.Memory
	for _, p := range []peers.Peer{peers.Whoami, peers.SvcregEmpty, peers.Svcreg, peers.Kubernetes} {
		r := report.Memory{Services: m.Lab.Fleet.Services, Server: p}
		for n := range min(memoryRepeat, m.Settings.Repeat) {
			m.Log("memory, %d services, %d: %s", m.Lab.Fleet.Services, n+1, p)
			rss, err := m.memory(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("memory: %w", err)
			}
			r.RSS = append(r.RSS, float64(rss))
		}
		results = append(results, r)
	}
	return results, nil
}

func (m *Measurer) memory(ctx context.Context, p peers.Peer) (int64, error) {
	s, err := m.Lab.Serve(ctx, p, 0)
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	if _, err := firstAnswer(ctx, s, m.question()); err != nil {
		return 0, err
	}
	load := dnsperf.Load{Server: s.Addr, File: m.fileOf(fleet.A), Time: min(memoryTime, m.Settings.RoundTime), Rate: memoryQPS}
	if _, err := dnsperf.Run(ctx, load); err != nil {
		return 0, err
	}
	if err := program.Sleep(ctx, m.Settings.Settle); err != nil {
		return 0, err
	}
	return s.RSS()
}
