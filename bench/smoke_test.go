package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/report"
	"github.com/svcreg/svcreg/bench/show"
	"github.com/svcreg/svcreg/bench/smoke"
)

// programs builds what the benchmark starts, and returns the flags that say
// where it is.
func programs(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("dnsperf"); err != nil || runtime.NumCPU() < 2 {
		t.Skipf("the benchmark needs dnsperf and two processors (%d, %v)", runtime.NumCPU(), err)
	}
	return smoke.Build(t, ".", smoke.Program{Flag: "-coredns", Module: smoke.Bench, Path: "./coredns"}, smoke.Etcd)
}

func TestRuns(t *testing.T) {
	flags := programs(t)
	t.Run("to the end", func(t *testing.T) { testQuick(t, flags) })
	t.Run("interrupted", func(t *testing.T) { testInterrupt(t, flags) })
}

// testQuick wants a run from end to end to have a figure for everything, and to
// leave nothing behind.
func testQuick(t *testing.T, flags []string) {
	out, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	args := append([]string{"-quick", "-pods", "-services", "60,40", "-rounds", "1", "-time", "100ms", "-samples", "3", "-out", out}, flags...)
	if err := run(t.Context(), args, io.Discard, t.Output()); err != nil {
		t.Fatal(err)
	}
	r, err := program.Read[report.Results](filepath.Join(out, "dns.json"))
	if err != nil {
		t.Fatal(err)
	}
	checkThroughput(t, r)
	checkSizes(t, r)
	checkChanges(t, r)
	smoke.CheckFile(t, filepath.Join(out, "dns.md"), "## Change")
	smoke.CheckFile(t, filepath.Join(out, "dns.svg"), "</svg>")
	smoke.CheckGone(t, tmp)
}

// checkThroughput wants a round of every kind for svcreg and its rivals, and
// of addresses for all.
func checkThroughput(t *testing.T, r report.Results) {
	t.Helper()
	found := map[report.Mode]int{}
	for _, one := range r.Throughput {
		found[one.Mode]++
		// On a busy machine a server may do with less than a tick of CPU.
		if len(one.Rounds) != 1 || !(one.Rounds[0].QPS > 0) || !(one.Rounds[0].CPU >= 0) {
			t.Errorf("%s, %s, %s: %+v", one.Mode, one.Kind, one.Server, one.Rounds)
		}
	}
	if want := 3*len(fleet.Kinds) + 6; found[report.ServerBound] != want || found[report.Unpinned] != 7 {
		t.Errorf("%v figures, want %d server-bound and 7 unpinned", found, want)
	}
}

func checkSizes(t *testing.T, r report.Results) {
	t.Helper()
	if len(r.Memory) != 8 || len(r.Start) != 8 {
		t.Errorf("%d figures of memory and %d of start, want 8 of each", len(r.Memory), len(r.Start))
	}
	for _, m := range r.Memory {
		if !slices.Contains([]int{60, 40}, m.Services) || show.Median(m.RSS) < 10e6 {
			t.Errorf("memory: %+v", m)
		}
	}
	for _, s := range r.Start {
		if seconds := show.Median(s.Seconds); !(seconds > 0.001) || seconds > 60 {
			t.Errorf("start: %+v", s)
		}
	}
}

func checkChanges(t *testing.T, r report.Results) {
	t.Helper()
	found := map[peers.Peer]int{}
	for _, c := range r.Change {
		found[c.Server]++
		p50 := show.Percentile(c.Seconds, 50)
		if math.IsNaN(p50) || p50 <= 0 || (c.QPS > 0) != (c.Changes > 0) {
			t.Errorf("change: %+v", c)
		}
	}
	if found[peers.Svcreg] != 4 || found[peers.Kubernetes] != 4 {
		t.Errorf("changes by server: %v", found)
	}
}

// testInterrupt wants a run that is interrupted to stop its servers and to
// remove its files.
func testInterrupt(t *testing.T, flags []string) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := run(ctx, append([]string{"-quick", "-only", "server-bound", "-rounds", "1000", "-out", t.TempDir()}, flags...), io.Discard, t.Output())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	smoke.CheckGone(t, tmp)
}
