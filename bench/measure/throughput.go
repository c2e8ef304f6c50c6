package measure

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/dnsperf"
	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/report"
)

// unpinnedRounds is how many rounds without pinning are enough for an extra.
const unpinnedRounds = 3

// match is a kind of question and those that are measured at it, next to each
// other.
type match struct {
	kind    fleet.Kind
	servers []peers.Peer
}

// ServerBound measures each server on a core of its own.
func (m *Measurer) ServerBound(ctx context.Context) ([]report.Throughput, error) {
	var matches []match
	for _, k := range m.Settings.Kinds {
		three := []peers.Peer{peers.Whoami, peers.Kubernetes, peers.Svcreg}
		if k == fleet.A {
			three = append(three, peers.Hosts, peers.File, peers.Etcd)
			matches = append(matches, match{k, []peers.Peer{peers.WhoamiPrometheus, peers.KubernetesPrometheus, peers.SvcregPrometheus}})
		}
		matches = append(matches, match{k, three})
	}
	return m.throughput(ctx, report.ServerBound, m.Settings.Rounds, matches)
}

// Unpinned measures the servers as they are mostly run, sharing all cores with
// the load.
func (m *Measurer) Unpinned(ctx context.Context) ([]report.Throughput, error) {
	return m.throughput(ctx, report.Unpinned, min(unpinnedRounds, m.Settings.Rounds), []match{{fleet.A, []peers.Peer{
		peers.Whoami, peers.Hosts, peers.Kubernetes, peers.File, peers.Etcd, peers.EtcdCache, peers.Svcreg,
	}}})
}

func (m *Measurer) throughput(ctx context.Context, mode report.Mode, rounds int, matches []match) ([]report.Throughput, error) {
	b := &bout{Measurer: m, mode: mode, servers: map[peers.Peer]*lab.Server{}}
	defer b.stop()
	if err := b.start(ctx, matches); err != nil {
		return nil, err
	}
	var results []report.Throughput
	for n := range rounds {
		for _, one := range matches {
			for _, p := range program.Rotated(one.servers, n) {
				m.Log("%s, round %d of %d: %s, %s", mode, n+1, rounds, one.kind, p)
				r, err := b.round(ctx, b.servers[p], one.kind)
				if err != nil {
					return nil, err
				}
				results = record(results, mode, one.kind, p, r)
			}
		}
	}
	return results, nil
}

// record appends a round to those of a server and a kind.
func record(results []report.Throughput, mode report.Mode, k fleet.Kind, p peers.Peer, r report.Round) []report.Throughput {
	i := slices.IndexFunc(results, func(t report.Throughput) bool { return t.Kind == k && t.Server == p })
	if i < 0 {
		i, results = len(results), append(results, report.Throughput{Mode: mode, Kind: k, Server: p})
	}
	results[i].Rounds = append(results[i].Rounds, r)
	return results
}

// bout is the servers of a mode, all running at once and mostly idle.
type bout struct {
	*Measurer
	mode    report.Mode
	servers map[peers.Peer]*lab.Server
}

// start starts the servers, waits until they answer, and has them checked.
func (b *bout) start(ctx context.Context, matches []match) error {
	core := 0
	if b.mode == report.ServerBound {
		core = b.Settings.ServerCore
	}
	for _, one := range matches {
		questions := b.Lab.Fleet.Questions(one.kind)
		if err := dnsperf.WriteQuestions(b.fileOf(one.kind), questions); err != nil {
			return err
		}
		for _, p := range one.servers {
			if b.servers[p] == nil {
				s, err := b.Lab.Serve(ctx, p, core)
				if err != nil {
					return err
				}
				b.servers[p] = s
			}
			if _, err := firstAnswer(ctx, b.servers[p], questions[0]); err != nil {
				return err
			}
			if err := verify(ctx, b.servers[p], questions); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bout) stop() {
	for _, s := range b.servers {
		s.Stop()
	}
}

// round has one server asked questions of one kind for a while.
func (b *bout) round(ctx context.Context, s *lab.Server, k fleet.Kind) (report.Round, error) {
	load := dnsperf.Load{Server: s.Addr, File: b.fileOf(k), Time: b.Settings.RoundTime}
	if b.mode == report.ServerBound {
		load.Core = b.Settings.ClientCore
	}
	before, err := b.usage(s)
	if err != nil {
		return report.Round{}, err
	}
	r, err := dnsperf.Run(ctx, load)
	if err != nil {
		return report.Round{}, fmt.Errorf("%s: %w", s.Peer, err)
	}
	after, err := b.usage(s)
	if err != nil {
		return report.Round{}, err
	}
	if err := checkRcodes(s, k, r); err != nil {
		return report.Round{}, err
	}
	const unit = 100_000
	perQuery := unit / float64(r.Completed)
	return report.Round{
		QPS:     r.QPS,
		CPU:     (after.server - before.server) * perQuery,
		EtcdCPU: (after.etcd - before.etcd) * perQuery,
		Busy:    (after.server - before.server) / r.Seconds,
		Lost:    r.Lost,
	}, nil
}

// usage is what a server and etcd have used, in seconds of processor time.
type usage struct{ server, etcd float64 }

func (b *bout) usage(s *lab.Server) (usage, error) {
	server, err := s.CPU()
	if err != nil {
		return usage{}, err
	}
	etcd, err := b.Lab.Etcd.CPU()
	return usage{server.Seconds(), etcd.Seconds()}, err
}

// checkRcodes returns an error if not all answers of a round have the right
// rcode.
func checkRcodes(s *lab.Server, k fleet.Kind, r dnsperf.Result) error {
	want := "NOERROR"
	if k == fleet.NXDOMAIN && s.Peer.Answers() {
		want = dns.RcodeToString[dns.RcodeNameError]
	}
	if r.Completed == 0 || r.Rcodes[want] != r.Completed {
		return fmt.Errorf("%s, %s: want only %s, got %v", s.Peer, k, want, r.Rcodes)
	}
	return nil
}
