package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
)

// cores keeps a test from depending on the machine's processors.
var cores = []string{"-only", "memory,start"}

func TestParse(t *testing.T) {
	o, err := parse(append([]string{"-services", "10000,50000", "-kinds", "PTR,headless A", "-encoding", "json", "-rounds", "7"}, cores...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{10_000, 50_000}) || !slices.Equal(o.parts, []string{"memory", "start"}) ||
		!slices.Equal(o.settings.Kinds, []fleet.Kind{"PTR", "headless A"}) || !o.json || o.settings.Rounds != 7 {
		t.Errorf("got %+v", o)
	}
}

func TestParseDefaults(t *testing.T) {
	o, err := parse(cores, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{10_000}) || o.endpoints != 5 || o.json || o.settings.RoundTime != 3*time.Second ||
		!slices.Equal(o.settings.Kinds, fleet.Kinds) {
		t.Errorf("got %+v", o)
	}
}

// -quick changes the defaults, however it is written and wherever it stands,
// and no more than them.
func TestParseQuick(t *testing.T) {
	for _, args := range [][]string{{"-samples", "77", "-quick"}, {"--quick=true", "-samples", "77"}} {
		o, err := parse(append(args, cores...), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(o.sizes, []int{quickSize}) || o.settings.Samples != 77 || o.settings.RoundTime != quick.RoundTime {
			t.Errorf("%q: got %+v", args, o)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-services 5":                   "-services",
		"-services many":                "-services",
		"-services 100001":              "-services",
		"-only everything":              "-only",
		"-kinds MX":                     "-kinds",
		"-encoding xml":                 "-encoding",
		"-endpoints 0":                  "-endpoints",
		"-rounds -1":                    "-rounds",
		"-time 0s":                      "-time",
		"-load-changes 0":               "-load-changes",
		"-only start surplus":           "surplus",
		"-server-core 1 -client-core 1": "-server-core 1, -client-core 1",
		"-server-core 9999":             "-server-core 9999",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestHelp(t *testing.T) {
	var text strings.Builder
	if _, err := parse([]string{"-h"}, &text); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
	for _, part := range []string{"-quick", "-only", "server-bound", "headless SRV"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the help doesn't speak of %s", part)
		}
	}
}
