package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/bench/golden"
)

// sample is the results of a small run, with everything in it. proxyd misses
// some goals.
func sample() Results {
	r := Results{
		Time:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: Machine{CPU: "A Processor", Cores: 2, Kernel: "6.18", Go: "go1.26", NGINX: "nginx 1.22", HAProxy: "haproxy 2.6"},
		Small:   128, Large: 1 << 20, Connections: 64, Sockets: 9900,
	}
	for i, s := range Servers {
		rate := []float64{100_000, 40_000, 38_000, 20_000, 17_000, 19_000}[i]
		for _, l := range []Lane{Small, Large, SmallAlone, LargeAlone, SmallUnpinned, LargeUnpinned} {
			for round := range 2 {
				rate := rate * (1 + float64(round)/10)
				if l == Large || l == LargeAlone || l == LargeUnpinned {
					rate = 2000 - float64(i)
				}
				r.Add(l, s, Rate, rate)
				r.Add(l, s, P50, 64/rate)
				r.Add(l, s, P99, 100/rate)
				r.Add(l, s, CPU, 1/rate)
				r.Add(l, s, Busy, 1)
			}
		}
		if s.TakesSockets() {
			r.Add(Sockets, s, Empty, 10e6)
			r.Add(Sockets, s, Filled, float64(i)*120e6)
		}
	}
	return r
}

func TestMarkdown(t *testing.T) { golden.Check(t, "testdata/sample.md", Markdown(sample())) }

func TestChart(t *testing.T) { golden.CheckXML(t, "testdata/sample.svg", Chart(sample())) }

// What wasn't measured isn't shown.
func TestMarkdownOfParts(t *testing.T) {
	r := Results{Sockets: 10_000}
	r.Add(Sockets, Proxyd, Empty, 20e6)
	r.Add(Sockets, Proxyd, Filled, 520e6)
	text := Markdown(r)
	if strings.Count(text, "\n## ") != 1 || !strings.Contains(text, "520.0 MB | ≤ 500.0 MB ✗") {
		t.Errorf("got:\n%s", text)
	}
}

// Few sockets tell nothing of many.
func TestFewSockets(t *testing.T) {
	r := Results{Sockets: 50}
	r.Add(Sockets, Proxyd, Empty, 20e6)
	r.Add(Sockets, Proxyd, Filled, 30e6)
	if text := Markdown(r); strings.Contains(text, "≤ 500") || !strings.Contains(text, "200.0 kB |                |            |      |") {
		t.Errorf("got:\n%s", text)
	}
}

// Values of one measure come together, in order.
func TestAdd(t *testing.T) {
	var r Results
	r.Add(Small, Proxyd, Rate, 1)
	r.Add(Large, Proxyd, Rate, 7)
	r.Add(Small, Proxyd, Rate, 2)
	want := []Figure{{Small, Proxyd, Rate, []float64{1, 2}}, {Large, Proxyd, Rate, []float64{7}}}
	if diff := cmp.Diff(want, r.Figures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Find(Small, NGINX, Rate) != nil {
		t.Error("found what was never added")
	}
}

// What is added is so round by round: a machine that is slow for a while is so
// for both.
func TestAdded(t *testing.T) {
	var r Results
	for _, v := range [][2]float64{{0.010, 0.011}, {0.100, 0.102}, {0.010, 0.011}} {
		r.Add(Small, Reverse, P99, v[0])
		r.Add(Small, Proxyd, P99, v[1])
		r.Add(Small, NGINX, P99, v[0])
	}
	if got := r.added(Small, Proxyd, P99); math.Abs(got-0.001) > 1e-9 {
		t.Errorf("got %v", got)
	}
	for _, s := range []Server{NGINX, Reverse} {
		if got := r.added(Small, s, P99); !math.IsNaN(got) {
			t.Errorf("%s: %v", s, got)
		}
	}
}
