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
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-connections", "32", "-time", "2s", "-only", "sockets,unpinned", "-large", "4096"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.settings.Connections != 32 || o.settings.RoundTime != 2*time.Second || !slices.Equal(o.parts, []string{"sockets", "unpinned"}) || o.large != 4096 {
		t.Errorf("got %+v", o)
	}
}

func TestParseDefaults(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.settings != full || o.small != 128 || o.large != 1<<20 || len(o.parts) != len(allParts) || o.settings.Sockets != 10_000 {
		t.Errorf("got %+v", o)
	}
}

// -quick changes the defaults, wherever it stands, and no more than them.
func TestParseQuick(t *testing.T) {
	o, err := parse([]string{"-sockets", "77", "-quick"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.settings.Sockets != 77 || o.settings.Rounds != quick.Rounds || o.settings.RoundTime != quick.RoundTime {
		t.Errorf("got %+v", o)
	}
}

func TestParseErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-connections 0":                  "-connections 0: want 1 to",
		"-connections 5000":               "-connections 5000: want 1 to",
		"-sockets 30000":                  "-sockets 30000: want 1 to",
		"-small 0":                        "-small 0",
		"-large -1":                       "-large -1",
		"-time 1500ms":                    "-time 1.5s: want whole seconds",
		"-time 0s":                        "-time 0s: want whole seconds",
		"-settle -1s":                     "-settle -1s",
		"-rounds 0":                       "-rounds 0",
		"-repeat 0":                       "-repeat 0",
		"-server-core 1 -client-core 1":   "-server-core 1, -client-core 1: want two processors",
		"-server-core 100000":             "-server-core 100000: want 1 to",
		"-only everything":                `-only "everything": want some of`,
		"-only sockets surplus":           `unexpected argument "surplus"`,
		"-client-core 0 -only unpinned":   "-client-core 0",
		"-quick -time 10ms -only sockets": "-time 10ms",
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
	for _, part := range []string{"-quick", "-only", "server-bound,unpinned,sockets", "bin/bench-reverse"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the help doesn't speak of %s", part)
		}
	}
}
