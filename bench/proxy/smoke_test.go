//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/proxy/report"
	"github.com/svcreg/svcreg/bench/smoke"
)

// programs builds what the benchmark starts, and returns the flags that say
// where it is.
func programs(t *testing.T) []string {
	t.Helper()
	if err := installed(); err != nil || runtime.NumCPU() < 2 {
		t.Skipf("the benchmark needs wrk, nginx, haproxy and two processors (%d, %v)", runtime.NumCPU(), err)
	}
	return smoke.Build(t, "..",
		smoke.Program{Flag: "-proxyd", Module: smoke.Main, Path: "./cmd/proxyd"},
		smoke.Program{Flag: "-reverse", Module: smoke.Bench, Path: "./proxy/reverse"},
		smoke.Etcd,
	)
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
	if err := run(t.Context(), append([]string{"-quick", "-out", out}, flags...), io.Discard, t.Output()); err != nil {
		t.Fatal(err)
	}
	r, err := program.Read[report.Results](filepath.Join(out, "proxy.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Servers {
		for _, l := range []report.Lane{report.Small, report.Large, report.SmallAlone, report.LargeAlone, report.SmallUnpinned, report.LargeUnpinned} {
			checkFigures(t, &r, l, s, report.Rate, report.P50, report.P99)
			if cpu := r.Find(l, s, report.CPU); len(cpu) != 1 || !(cpu[0] >= 0) { // less than a tick, maybe
				t.Errorf("%s, %s: CPU %v", l, s, cpu)
			}
		}
		if s.TakesSockets() {
			checkFigures(t, &r, report.Sockets, s, report.Empty, report.Filled)
		}
	}
	smoke.CheckFile(t, filepath.Join(out, "proxy.md"), "## Idle WebSockets")
	smoke.CheckFile(t, filepath.Join(out, "proxy.svg"), "</svg>")
	smoke.CheckGone(t, tmp)
}

// checkFigures wants a server to have one figure of each of some measures.
func checkFigures(t *testing.T, r *report.Results, l report.Lane, s report.Server, measures ...report.Measure) {
	t.Helper()
	for _, m := range measures {
		if values := r.Find(l, s, m); len(values) != 1 || !(values[0] > 0) {
			t.Errorf("%s, %s, %s: %v", l, s, m, values)
		}
	}
}

// testInterrupt wants a run that is interrupted to stop all it started, and to
// remove its files, wherever it is.
func testInterrupt(t *testing.T, flags []string) {
	for _, part := range allParts {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		err := run(ctx, append([]string{"-quick", "-only", part, "-rounds", "1000", "-repeat", "1000", "-out", t.TempDir()}, flags...), io.Discard, t.Output())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", part, err)
		}
		smoke.CheckGone(t, tmp)
	}
}
