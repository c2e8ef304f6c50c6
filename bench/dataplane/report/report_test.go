package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/golden"
)

// sample is the results of a small run, with everything in it.
func sample() Results {
	r := Results{
		Time:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: Machine{CPU: "A Processor", Cores: 2, Kernel: "6.18", Go: "go1.26", IPTables: "iptables v1.8", NFTables: "nftables v1.0"},
	}
	for _, n := range []Size{smallest, large} {
		growth := float64(n.Services) / 10
		r.Add(FlowNone, shape.Forwarding, n, 2.3e-6, 2.3e-6)
		r.Add(FlowNone, shape.Tracking, n, 4e-6, 8e-6)
		r.Add(Connections, shape.Forwarding, n, 24_000)
		r.Add(Connect, shape.Forwarding, n, 26e-6)
		for _, s := range []shape.Name{shape.LinearNFT, shape.LinearLegacy} {
			r.Add(FlowFirst, s, n, 6e-6)
			r.Add(FlowLast, s, n, 6e-6+growth*1.5e-7)
			r.Add(FlowNone, s, n, 6e-6+growth*1.5e-7)
			r.Add(Connections, s, n, 4200)
			r.Add(Connect, s, n, 214e-6)
			r.Add(Load, s, n, growth/1000)
			r.Add(Change, s, n, 1e-3*growth)
			r.Add(Memory, s, n, 1e5*growth)
		}
		for i, s := range []shape.Name{shape.TreeNFT, shape.TreeLegacy, shape.Maps} {
			r.Add(FlowFirst, s, n, 5e-6)
			r.Add(FlowLast, s, n, 5e-6+float64(i)*growth*1e-9)
			r.Add(FlowNone, s, n, 4.5e-6, 9e-6)
			r.Add(Connections, s, n, 21_000)
			r.Add(Connect, s, n, 31e-6)
			r.Add(Load, s, n, growth/10_000, growth/20_000)
			r.Add(Change, s, n, []float64{0.099, 0.302, 0.00003}[i])
			r.Add(Memory, s, n, 5e4*growth)
		}
	}
	for _, s := range []shape.Name{shape.TreeNFT, shape.Maps} {
		for _, n := range []Size{large, crowded} {
			r.Add(Start, s, n, 0.9, 1.2, 1.1)
			r.Add(Restart, s, n, 0.7)
			r.Add(Resident, s, n, 55e6)
			r.Add(Idle, s, n, 0.0001)
		}
		r.Add(EndToEnd, s, large, 0.004, 0.0045, 0.006)
		r.Add(Busy, s, large, 0.004)
		r.Add(BusyRate, s, large, 99.6)
	}
	return r
}

func TestMarkdown(t *testing.T) { golden.Check(t, "testdata/sample.md", Markdown(sample())) }

func TestChart(t *testing.T) { golden.CheckXML(t, "testdata/sample.svg", Chart(sample())) }

// What wasn't measured isn't shown.
func TestMarkdownOfParts(t *testing.T) {
	var r Results
	r.Add(Start, shape.TreeNFT, large, 1)
	text := Markdown(r)
	if strings.Count(text, "\n## ") != 1 || !strings.Contains(text, "## The daemon") {
		t.Errorf("got:\n%s", text)
	}
}

// Values of one measure, shape and size come together, in order.
func TestAdd(t *testing.T) {
	var r Results
	r.Add(Load, shape.Maps, large, 1)
	r.Add(Load, shape.Maps, smallest, 7)
	r.Add(Load, shape.Maps, large, 2, 3)
	want := []Figure{{Load, shape.Maps, large, []float64{1, 2, 3}}, {Load, shape.Maps, smallest, []float64{7}}}
	if diff := cmp.Diff(want, r.Figures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Find(Load, shape.TreeNFT, large) != nil {
		t.Error("found what was never added")
	}
}

// Ratios are of rounds next to each other: a machine that is slow for a while
// is so for both. What is lost in the noise has none.
func TestTimes(t *testing.T) {
	var r Results
	r.Add(Change, shape.LinearNFT, large, 10, 100, 10)
	r.Add(Change, shape.Maps, large, 1, 10, 2)
	if got := r.times(Change, shape.Maps, large); got != 10 {
		t.Errorf("got %v times", got)
	}
	if got := r.times(Change, shape.LinearNFT, large); !math.IsNaN(got) {
		t.Errorf("a shape without a rival: %v times", got)
	}
	r.Add(Memory, shape.LinearNFT, large, 30e6)
	r.Add(Memory, shape.Maps, large, 3e6)
	r.Add(Memory, shape.LinearNFT, smallest, -3e6)
	r.Add(Memory, shape.Maps, smallest, 3e6)
	if got := r.grown(shape.Maps, large); got != 10 {
		t.Errorf("memory: got %v times", got)
	}
	if got := r.grown(shape.Maps, smallest); !math.IsNaN(got) {
		t.Errorf("noise: %v times", got)
	}
}
