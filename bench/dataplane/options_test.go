//go:build linux

package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/shape"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-services", "20,10000", "-crowd", "100x7", "-only", "flows,daemon", "-shapes", "maps, nftables; tree, iptables-nft", "-rounds", "7"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{20, 10_000}) || o.crowdServices != 100 || o.crowdEndpoints != 7 || o.settings.Rounds != 7 ||
		!slices.Equal(o.parts, []string{"flows", "daemon"}) || !slices.Equal(names(o.shapes), []string{string(shape.Maps), string(shape.TreeNFT)}) {
		t.Errorf("got %+v", o)
	}
}

func TestParseDefaults(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{10, 1000, 10_000, 30_000}) || !slices.Equal(o.daemonSizes, []int{10_000, 30_000}) ||
		o.crowdServices*o.crowdEndpoints != 250_000 || o.endpoints != 5 || o.settings != full || len(o.shapes) != len(shape.All) {
		t.Errorf("got %+v", o)
	}
}

// -quick changes the defaults, wherever it stands, and no more than them.
func TestParseQuick(t *testing.T) {
	o, err := parse([]string{"-samples", "77", "-services", "12", "-quick"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{12}) || !slices.Equal(o.daemonSizes, []int{50}) || o.settings.Samples != 77 ||
		o.settings.Idle != 200*time.Millisecond {
		t.Errorf("got %+v", o)
	}
}

func TestParseErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-services 5":                          "-services",
		"-services many":                       "-services",
		"-daemon-services 100001":              "-daemon-services",
		"-crowd 5000":                          "-crowd",
		"-crowd 5000x5000":                     "-crowd",
		"-only everything":                     "-only",
		"-shapes round":                        "-shapes",
		"-endpoints 0":                         "-endpoints",
		"-services 100000 -endpoints 50":       "100000 services × 50",
		"-rounds -1":                           "-rounds",
		"-flow-time 0s":                        "-flow-time",
		"-busy-changes 0":                      "-busy-changes",
		"-only flows surplus":                  "surplus",
		"-shapes forwarding;linear,iptables-x": "-shapes",
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
	for _, part := range []string{"-quick", "-only", "tree, iptables-legacy", "-crowd"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the help doesn't speak of %s", part)
		}
	}
}
