package report

import (
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/golden"
	"github.com/svcreg/svcreg/bench/peers"
)

// sample is the results of a small run, with everything in it.
func sample() Results {
	one := func(mode Mode, k fleet.Kind, p peers.Peer, qps ...float64) Throughput {
		t := Throughput{Mode: mode, Kind: k, Server: p}
		for _, q := range qps {
			t.Rounds = append(t.Rounds, Round{QPS: q, CPU: 1e5 / q, Busy: 1})
		}
		return t
	}
	r := Results{
		Time:     time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine:  Machine{CPU: "A Processor", Cores: 2, Kernel: "6.18", Go: "go1.26", CoreDNS: "1.15.0"},
		Services: 10_000, Endpoints: 5, Encoding: "protobuf",
		Throughput: []Throughput{
			one(ServerBound, fleet.A, peers.Whoami, 80_000, 40_000, 80_000),
			one(ServerBound, fleet.A, peers.Kubernetes, 50_000, 25_000, 50_000),
			one(ServerBound, fleet.A, peers.Svcreg, 88_000, 44_000, 88_000),
			one(ServerBound, fleet.A, peers.Etcd, 4_000, 2_000, 4_000),
			one(ServerBound, fleet.A, peers.WhoamiPrometheus, 60_000),
			one(ServerBound, fleet.A, peers.KubernetesPrometheus, 40_000),
			one(ServerBound, fleet.A, peers.SvcregPrometheus, 54_000),
			one(ServerBound, fleet.NXDOMAIN, peers.Svcreg, 90_000),
			one(Unpinned, fleet.A, peers.Etcd, 4_000),
			one(Unpinned, fleet.A, peers.Svcreg, 75_000),
		},
		Memory: []Memory{
			{10_000, peers.SvcregEmpty, []float64{50e6}},
			{10_000, peers.Svcreg, []float64{70e6, 72e6, 71e6}},
			{10_000, peers.Kubernetes, []float64{160e6}},
		},
		Start: []Start{
			{10_000, peers.Kubernetes, []float64{0.433}},
			{10_000, peers.Svcreg, []float64{0.31, 0.4}},
			{10_000, peers.SvcregSnapshot, []float64{0.1}},
		},
		Change: []Change{
			{Server: peers.Kubernetes, What: "portal IP", Seconds: []float64{0.0005}},
			{Server: peers.Svcreg, What: "portal IP", Seconds: []float64{0.0002, 0.0002, 0.002}},
			{Server: peers.Svcreg, What: "portal IP", Changes: 999, QPS: 20_000, Seconds: []float64{0.004}},
		},
	}
	r.Throughput[3].Rounds[1].EtcdCPU = 7
	r.Throughput[7].Rounds[0].Busy = 0.5
	return r
}

func TestMarkdown(t *testing.T) { golden.Check(t, "testdata/sample.md", Markdown(sample())) }

// What wasn't measured isn't shown.
func TestMarkdownOfParts(t *testing.T) {
	text := Markdown(Results{Start: sample().Start})
	if strings.Count(text, "\n## ") != 1 || !strings.Contains(text, "## Start") {
		t.Errorf("got:\n%s", text)
	}
}

func TestChart(t *testing.T) { golden.CheckXML(t, "testdata/sample.svg", Chart(sample())) }

// Names that mean something in XML are text.
func TestChartEscapes(t *testing.T) {
	chart := Chart(Results{Change: []Change{{Server: "a", What: "<&>", Seconds: []float64{1}}}})
	if !strings.Contains(chart, "&lt;&amp;&gt;") {
		t.Error(chart)
	}
}

func TestChartOfNothing(t *testing.T) {
	if chart := Chart(Results{}); strings.Contains(chart, "<text") {
		t.Error(chart)
	}
}
