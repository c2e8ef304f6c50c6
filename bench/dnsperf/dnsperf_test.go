package dnsperf

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/bench/fleet"
)

const output = `DNS Performance Testing Tool
Version 2.10.0

[Timeout] Query timed out: msg id 113
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         241203
  Queries completed:    241202 (100.00%)
  Queries lost:         1 (0.00%)

  Response codes:       NOERROR 241000 (99.92%), NXDOMAIN 202 (0.08%)
  Average packet size:  request 52, response 109
  Run time (s):         3.001790
  Queries per second:   80352.722875

  Average Latency (s):  0.001832 (min 0.000120, max 0.010442)
  Latency StdDev (s):   0.000409
`

func TestParse(t *testing.T) {
	got, err := Parse(output)
	if err != nil {
		t.Fatal(err)
	}
	want := Result{
		Sent: 241203, Completed: 241202, Lost: 1,
		Rcodes:  map[string]int{"NOERROR": 241000, "NXDOMAIN": 202},
		Seconds: 3.00179, QPS: 80352.722875, Latency: 0.001832,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each line that is missing is an error: a figure is read, or there is none.
func TestParseErrors(t *testing.T) {
	for _, line := range []string{"Queries sent", "Queries completed", "Queries lost", "Run time", "Queries per second", "Average Latency"} {
		if _, err := Parse(strings.ReplaceAll(output, line, "Something")); err == nil {
			t.Errorf("without %q: no error", line)
		}
	}
}

func TestArguments(t *testing.T) {
	l := Load{Server: netip.MustParseAddrPort("127.0.0.1:5300"), File: "q", Time: 1500 * time.Millisecond, Rate: 20000}
	got := strings.Join(l.arguments(), " ")
	if want := "-s 127.0.0.1 -p 5300 -d q -l 1.5 -t 2 -c 4 -T 1 -q 150 -Q 20000"; got != want {
		t.Errorf("got %s", got)
	}
	l.Rate = 0
	if slices.Contains(l.arguments(), "-Q") {
		t.Error("a limit without a rate")
	}
}

func TestWriteQuestions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "questions")
	questions := fleet.Fleet{Services: 10, Endpoints: 1}.Questions(fleet.PTR)
	if err := WriteQuestions(file, questions); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 9 || !slices.Contains(lines, "1.0.96.10.in-addr.arpa. PTR") || slices.IsSorted(lines) {
		t.Errorf("got %q", lines)
	}
}
