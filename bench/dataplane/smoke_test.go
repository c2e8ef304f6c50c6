//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/show"
	"github.com/svcreg/svcreg/bench/smoke"
)

// programs builds what the benchmark starts, and returns the flags that say
// where it is.
func programs(t *testing.T) []string {
	t.Helper()
	if err := network.Check(); err != nil {
		t.Skip(err)
	}
	return smoke.Build(t, "..", smoke.Program{Flag: "-proxyd", Module: smoke.Main, Path: "./cmd/proxyd"}, smoke.Etcd)
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
	r, err := program.Read[report.Results](filepath.Join(out, "dataplane.json"))
	if err != nil {
		t.Fatal(err)
	}
	small, crowd := []report.Size{{Services: 10, Endpoints: 5}, {Services: 50, Endpoints: 5}}, report.Size{Services: 20, Endpoints: 50}
	for _, s := range shape.All {
		for _, n := range small {
			checkKernel(t, &r, s, n)
		}
		if s.IsOurs() {
			checkFigures(t, &r, s, crowd, report.Load, report.Change)
		}
		if s.Daemon != nil {
			checkFigures(t, &r, s, small[1], report.Start, report.Resident, report.EndToEnd, report.Busy, report.BusyRate)
			checkFigures(t, &r, s, crowd, report.Start, report.Resident, report.EndToEnd, report.Busy, report.BusyRate)
		}
	}
	smoke.CheckFile(t, filepath.Join(out, "dataplane.md"), "## End to end")
	smoke.CheckFile(t, filepath.Join(out, "dataplane.svg"), "</svg>")
	checkGone(t, tmp)
}

func checkKernel(t *testing.T, r *report.Results, s shape.Shape, n report.Size) {
	t.Helper()
	checkFigures(t, r, s, n, report.FlowNone, report.Connections, report.Connect)
	if s.IsFloor() {
		return
	}
	checkFigures(t, r, s, n, report.FlowFirst, report.FlowLast, report.Load, report.Change)
	if len(r.Find(report.Memory, s.Name, n)) != 1 {
		t.Errorf("%s, %v: no figure of the kernel's memory", s.Name, n)
	}
}

// checkFigures wants a shape to have figures of some measures, all of them
// above zero.
func checkFigures(t *testing.T, r *report.Results, s shape.Shape, n report.Size, measures ...report.Measure) {
	t.Helper()
	for _, m := range measures {
		values := r.Find(m, s.Name, n)
		if !(show.Percentile(values, 0) >= 0 && show.Percentile(values, 100) > 0) {
			t.Errorf("%s, %v, %s: %v", s.Name, n, m, values)
		}
	}
}

// checkGone wants neither files nor processes to be left, nor namespaces of this
// process.
func checkGone(t *testing.T, dir string) {
	t.Helper()
	smoke.CheckGone(t, dir)
	left, err := filepath.Glob("/run/netns/svcreg-bench-" + strconv.Itoa(os.Getpid()) + "-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// testInterrupt wants a run that is interrupted to stop all it started, and to
// remove all it made, wherever it is.
func testInterrupt(t *testing.T, flags []string) {
	for part, after := range map[string]time.Duration{"flows": 700 * time.Millisecond, "daemon": 2 * time.Second} {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err := run(ctx, append([]string{"-quick", "-only", part, "-rounds", "1000", "-samples", "1000", "-out", t.TempDir()}, flags...), io.Discard, t.Output())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", part, err)
		}
		checkGone(t, tmp)
	}
}
