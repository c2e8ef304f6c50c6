// Package dnsperf runs dnsperf and reads what it prints.
package dnsperf

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/svcreg/svcreg/bench/process"
)

// Load is one run: who is asked what, and how hard.
type Load struct {
	Server netip.AddrPort
	File   string // the questions: a name and a type on each line
	Time   time.Duration
	Rate   int // queries a second; 0 means as many as there can be
	Core   int // the processor to run on, counted from 1; 0 means any
}

// Result is what dnsperf found.
type Result struct {
	Sent, Completed, Lost int
	Rcodes                map[string]int
	Seconds               float64
	QPS                   float64
	Latency               float64 // mean, in seconds
}

// The shape of the load: one thread with four sockets, and up to 150 queries
// under way.
var shape = []string{"-c", "4", "-T", "1", "-q", "150"}

// Run asks until the load's time is over.
func Run(ctx context.Context, l Load) (Result, error) {
	argv, env := process.Pin(l.Core, append([]string{"dnsperf", "-W"}, l.arguments()...))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // of our own making
	cmd.Env = append(os.Environ(), env...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return Result{}, fmt.Errorf("dnsperf: %w; it said:\n%s", err, output)
	}
	r, err := Parse(string(output))
	if err != nil {
		return Result{}, fmt.Errorf("dnsperf: %w; it said:\n%s", err, output)
	}
	return r, nil
}

func (l Load) arguments() []string {
	args := append([]string{
		"-s", l.Server.Addr().String(),
		"-p", strconv.Itoa(int(l.Server.Port())),
		"-d", l.File,
		"-l", strconv.FormatFloat(l.Time.Seconds(), 'f', -1, 64),
		"-t", "2",
	}, shape...)
	if l.Rate > 0 {
		args = append(args, "-Q", strconv.Itoa(l.Rate))
	}
	return args
}

var (
	count = map[string]*regexp.Regexp{
		"sent":      regexp.MustCompile(`(?m)^\s*Queries sent:\s+(\d+)`),
		"completed": regexp.MustCompile(`(?m)^\s*Queries completed:\s+(\d+)`),
		"lost":      regexp.MustCompile(`(?m)^\s*Queries lost:\s+(\d+)`),
	}
	number = map[string]*regexp.Regexp{
		"seconds": regexp.MustCompile(`(?m)^\s*Run time \(s\):\s+([\d.]+)`),
		"qps":     regexp.MustCompile(`(?m)^\s*Queries per second:\s+([\d.]+)`),
		"latency": regexp.MustCompile(`(?m)^\s*Average Latency \(s\):\s+([\d.]+)`),
	}
	codesLine = regexp.MustCompile(`(?m)^\s*Response codes:(.*)$`)
	code      = regexp.MustCompile(`([A-Z0-9]+) (\d+) \(`)
)

// Parse reads the statistics that dnsperf prints at its end.
func Parse(output string) (Result, error) {
	r := Result{Rcodes: map[string]int{}}
	for name, into := range map[string]*int{"sent": &r.Sent, "completed": &r.Completed, "lost": &r.Lost} {
		found := count[name].FindStringSubmatch(output)
		if found == nil {
			return Result{}, fmt.Errorf("no number of queries %s in its output", name)
		}
		*into, _ = strconv.Atoi(found[1]) // all digits
	}
	for name, into := range map[string]*float64{"seconds": &r.Seconds, "qps": &r.QPS, "latency": &r.Latency} {
		found := number[name].FindStringSubmatch(output)
		if found == nil {
			return Result{}, fmt.Errorf("no %s in its output", name)
		}
		*into, _ = strconv.ParseFloat(found[1], 64) // digits and dots
	}
	if line := codesLine.FindStringSubmatch(output); line != nil {
		for _, found := range code.FindAllStringSubmatch(line[1], -1) {
			r.Rcodes[found[1]], _ = strconv.Atoi(found[2])
		}
	}
	return r, nil
}
