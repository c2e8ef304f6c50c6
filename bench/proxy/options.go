//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/proxy/measure"
)

// The parts of the benchmark.
const (
	serverBound = "server-bound"
	unpinned    = "unpinned"
	sockets     = "sockets"
)

var allParts = []string{serverBound, unpinned, sockets}

// options are what the command line says.
type options struct {
	small, large int // bytes
	parts        []string
	quick        bool
	settings     measure.Settings

	proxyd, reverse, etcd, out, from string
}

// The defaults, and what -quick makes of them.
var (
	full = measure.Settings{
		Rounds: 5, RoundTime: 5 * time.Second, Connections: 64, ClientCore: 1, ServerCore: 2,
		Sockets: 10_000, Repeat: 3, Settle: 5 * time.Second,
	}
	quick = measure.Settings{
		Rounds: 1, RoundTime: time.Second, Connections: 8, ClientCore: 1, ServerCore: 2,
		Sockets: 50, Repeat: 1, Settle: 100 * time.Millisecond,
	}
)

const (
	maxConnections = 4096   // fewer than nginx and HAProxy are made to take
	maxSockets     = 25_000 // what the ports of one address are enough for
	maxBody        = 1 << 30
)

// parse reads the command line. What is wrong with it, and the help, go to w.
func parse(args []string, w io.Writer) (options, error) {
	o := options{settings: full}
	flags := flag.NewFlagSet("bench-proxy", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.BoolVar(&o.quick, "quick", false, "a run of less than a minute, to see that all works; a flag of its own overrules it")
	flags.IntVar(&o.small, "small", 128, "how many `bytes` a small body has")
	flags.IntVar(&o.large, "large", 1<<20, "how many `bytes` a large body has")
	parts := flags.String("only", strings.Join(allParts, ","), "which `parts` to measure, with commas")
	flags.StringVar(&o.proxyd, "proxyd", "bin/proxyd", "proxyd")
	flags.StringVar(&o.reverse, "reverse", "bin/bench-reverse", "the bare ReverseProxy, built from bench/proxy/reverse")
	flags.StringVar(&o.etcd, "etcd", "bin/etcd", "etcd")
	flags.StringVar(&o.out, "out", "bin/results", "the `directory` for proxy.md, proxy.svg and proxy.json")
	flags.StringVar(&o.from, "from", "", "measure nothing: show the results of this proxy.json again")
	o.defineSettings(flags)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.quick {
		// Again, over other defaults.
		o.settings = quick
		if err := flags.Parse(args); err != nil {
			return options{}, err
		}
	}
	return o.check(flags, *parts)
}

func (o *options) defineSettings(flags *flag.FlagSet) {
	s := &o.settings
	flags.IntVar(&s.Rounds, "rounds", s.Rounds, "how many rounds of requests")
	flags.DurationVar(&s.RoundTime, "time", s.RoundTime, "how long each server is asked for one body in a round, in whole seconds")
	flags.IntVar(&s.Connections, "connections", s.Connections, "how many connections ask, with one request under way on each")
	flags.IntVar(&s.ServerCore, "server-core", s.ServerCore, "the processor of the server when it has one of its own, counted from 1")
	flags.IntVar(&s.ClientCore, "client-core", s.ClientCore, "the processor of wrk and of the backend then")
	flags.IntVar(&s.Sockets, "sockets", s.Sockets, "how many idle WebSockets there are")
	flags.IntVar(&s.Repeat, "repeat", s.Repeat, "how often each server is started to measure its memory with them")
	flags.DurationVar(&s.Settle, "settle", s.Settle, "the pause before a look at memory")
}

// check fills in what needs more than a flag, and refuses what can't be.
func (o options) check(flags *flag.FlagSet, parts string) (options, error) {
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for part := range strings.SplitSeq(parts, ",") {
		if !slices.Contains(allParts, part) {
			return options{}, fmt.Errorf("-only %q: want some of %q", part, allParts)
		}
		o.parts = append(o.parts, part)
	}
	return o, o.checkNumbers()
}

func (o options) checkNumbers() error {
	s := o.settings
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"-small", o.small, maxBody},
		{"-large", o.large, maxBody},
		{"-rounds", s.Rounds, 1000},
		{"-repeat", s.Repeat, 1000},
		{"-connections", s.Connections, maxConnections},
		{"-sockets", s.Sockets, maxSockets},
		{"-server-core", s.ServerCore, runtime.NumCPU()},
		{"-client-core", s.ClientCore, runtime.NumCPU()},
	} {
		if (n.value < 1 || n.value > n.max) && o.from == "" {
			return fmt.Errorf("%s %d: want 1 to %d", n.name, n.value, n.max)
		}
	}
	switch {
	case s.RoundTime < time.Second || s.RoundTime%time.Second != 0:
		return fmt.Errorf("-time %v: want whole seconds", s.RoundTime)
	case s.Settle < 0:
		return fmt.Errorf("-settle %v: want no less than 0", s.Settle)
	case s.ServerCore == s.ClientCore && slices.Contains(o.parts, serverBound) && o.from == "":
		return fmt.Errorf("-server-core %d, -client-core %[1]d: want two processors", s.ServerCore)
	}
	return nil
}
