// Package wrk runs wrk and reads what it finds.
package wrk

import (
	"bytes"
	"context"
	_ "embed" // for the script
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/svcreg/svcreg/bench/process"
)

// Check returns an error if wrk is not installed.
func Check() error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed: it is in Debian's package wrk")
	}
	return nil
}

// Load is one run: what is asked for, and how hard.
type Load struct {
	URL         string
	Connections int           // each with one request under way at a time
	Time        time.Duration // in whole seconds
	Core        int           // the processor to run on, counted from 1; 0 means any
}

// Result is what wrk found. Times are in microseconds, as wrk measures them.
type Result struct {
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"bytes"` // of whole responses
	Took     float64 `json:"took"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	// Failed counts what went wrong, of any sort.
	Failed int64 `json:"failed"`
}

// script has wrk print a Result.
//
//go:embed script.lua
var script []byte

// Run asks until the load's time is over. A request that fails is an error:
// figures of failures are none. It writes a script to a directory.
func Run(ctx context.Context, dir string, l Load) (Result, error) {
	file := filepath.Join(dir, "wrk.lua")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return Result{}, err
	}
	argv, _ := process.Pin(l.Core, []string{
		"wrk", "--threads", "1", "--connections", strconv.Itoa(l.Connections),
		"--duration", strconv.Itoa(int(l.Time.Seconds())) + "s", "--timeout", "10s", "--script", file, l.URL,
	})
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput() //nolint:gosec // of our own making
	if err != nil {
		return Result{}, fmt.Errorf("wrk: %w; it said:\n%s", err, out)
	}
	r, err := parse(out)
	if err != nil {
		return Result{}, fmt.Errorf("wrk: %s: %w; it said:\n%s", l.URL, err, out)
	}
	return r, nil
}

// parse reads the last line of what wrk prints, which is the script's.
func parse(out []byte) (r Result, err error) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &r); err != nil {
		return Result{}, err
	}
	switch {
	case r.Failed > 0:
		return Result{}, fmt.Errorf("%d requests failed", r.Failed)
	case r.Requests == 0:
		return Result{}, errors.New("no request was answered")
	}
	return r, nil
}
