package main

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/measure"
)

// The parts of the benchmark.
const (
	serverBound = "server-bound"
	unpinned    = "unpinned"
	memory      = "memory"
	start       = "start"
	change      = "change"
)

var allParts = []string{serverBound, unpinned, memory, start, change}

// options are what the command line says.
type options struct {
	sizes     []int // the first is that of throughput and change
	endpoints int
	parts     []string
	json      bool
	pods      bool
	quick     bool
	settings  measure.Settings

	coredns, etcd, out, from string
}

// The defaults, and what -quick makes of them.
var (
	full = measure.Settings{
		Rounds: 5, RoundTime: 3 * time.Second, ClientCore: 1, ServerCore: 2,
		Repeat: 5, Settle: 5 * time.Second, Samples: 500, LoadTime: 20 * time.Second, LoadQPS: 20_000, LoadRate: 1000,
	}
	quick = measure.Settings{
		Rounds: 2, RoundTime: 200 * time.Millisecond, ClientCore: 1, ServerCore: 2,
		Repeat: 1, Settle: 100 * time.Millisecond, Samples: 10, LoadTime: time.Second, LoadQPS: 1000, LoadRate: 100,
	}
)

const (
	fullSize, quickSize = 10_000, 200
	// minServices is how many services a fleet must have, so that one of each
	// sort is in it.
	minServices = 20
)

// parse reads the command line. What is wrong with it, and the help, go to w.
func parse(args []string, w io.Writer) (options, error) {
	o := options{settings: full}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.BoolVar(&o.quick, "quick", false, "a run of about a minute over few services, to see that all works; a flag of its own overrules it")
	sizes := flags.String("services", "", "how many `services`; several, with commas, measure memory and start at each size, the rest at the first (default 10000)")
	flags.IntVar(&o.endpoints, "endpoints", 5, "how many endpoints each service has")
	parts := flags.String("only", strings.Join(allParts, ","), "which `parts` to measure, with commas")
	kinds := flags.String("kinds", "", "which `kinds` of questions to ask, with commas: "+kindList()+" (default all)")
	encoding := flags.String("encoding", "protobuf", "how the registry's values are written: protobuf or json")
	flags.BoolVar(&o.pods, "pods", false, "pods in the registry, too, and \"pods verified\" in the Corefiles")
	flags.StringVar(&o.coredns, "coredns", "bin/bench-coredns", "the CoreDNS that has all plugins, built from bench/coredns")
	flags.StringVar(&o.etcd, "etcd", "bin/etcd", "etcd")
	flags.StringVar(&o.out, "out", "bin/results", "the `directory` for dns.md, dns.svg and dns.json")
	flags.StringVar(&o.from, "from", "", "measure nothing: show the results of this dns.json again")
	o.defineSettings(flags)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.quick {
		o.hurry(flags)
	}
	return o.check(flags, *sizes, *parts, *kinds, *encoding)
}

func (o *options) defineSettings(flags *flag.FlagSet) {
	s := &o.settings
	flags.IntVar(&s.Rounds, "rounds", s.Rounds, "how many rounds of throughput")
	flags.DurationVar(&s.RoundTime, "time", s.RoundTime, "how long each server is asked one kind of question in a round")
	flags.IntVar(&s.ServerCore, "server-core", s.ServerCore, "the processor of the server when it has one of its own, counted from 1")
	flags.IntVar(&s.ClientCore, "client-core", s.ClientCore, "the processor of dnsperf then")
	flags.IntVar(&s.Repeat, "repeat", s.Repeat, "how often each server is started to measure start; memory takes up to three")
	flags.DurationVar(&s.Settle, "settle", s.Settle, "the pause before a look at memory")
	flags.IntVar(&s.Samples, "samples", s.Samples, "how many changes of each sort are timed while nothing else goes on")
	flags.DurationVar(&s.LoadTime, "load-time", s.LoadTime, "how long changes are timed under load")
	flags.IntVar(&s.LoadQPS, "load-qps", s.LoadQPS, "queries a second of that load")
	flags.IntVar(&s.LoadRate, "load-changes", s.LoadRate, "changes a second of that load")
}

// hurry replaces all settings but for those that were given.
func (o *options) hurry(flags *flag.FlagSet) {
	given := map[string]string{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })
	o.settings = quick
	for name, value := range given {
		_ = flags.Set(name, value) // it was taken before
	}
}

// check fills in what needs more than a flag, and refuses what can't be.
func (o options) check(flags *flag.FlagSet, sizes, parts, kinds, encoding string) (options, error) {
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	size := fullSize
	if o.quick {
		size = quickSize
	}
	var err error
	if o.sizes, err = parseSizes(sizes, size); err != nil {
		return options{}, err
	}
	if o.parts, err = choose("-only", parts, allParts); err != nil {
		return options{}, err
	}
	if o.settings.Kinds, err = choose("-kinds", kinds, fleet.Kinds); err != nil {
		return options{}, err
	}
	if encoding != "protobuf" && encoding != "json" {
		return options{}, fmt.Errorf("-encoding %q: want protobuf or json", encoding)
	}
	o.json = encoding == "json"
	return o, o.checkNumbers()
}

func (o options) checkNumbers() error {
	s := o.settings
	for name, n := range map[string]int{
		"-endpoints": o.endpoints, "-rounds": s.Rounds, "-repeat": s.Repeat, "-samples": s.Samples,
		"-load-qps": s.LoadQPS, "-load-changes": s.LoadRate, "-server-core": s.ServerCore, "-client-core": s.ClientCore,
		"-time": int(s.RoundTime), "-load-time": int(s.LoadTime),
	} {
		if n <= 0 {
			return fmt.Errorf("%s: want more than 0", name)
		}
	}
	if slices.Contains(o.parts, serverBound) && o.from == "" && (s.ServerCore == s.ClientCore || max(s.ServerCore, s.ClientCore) > runtime.NumCPU()) {
		return fmt.Errorf("-server-core %d, -client-core %d: want two of this machine's %d processors", s.ServerCore, s.ClientCore, runtime.NumCPU())
	}
	return nil
}

func parseSizes(text string, otherwise int) ([]int, error) {
	if text == "" {
		return []int{otherwise}, nil
	}
	var sizes []int
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < minServices || n > 100_000 {
			return nil, fmt.Errorf("-services %q: want numbers from %d to 100000", text, minServices)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// choose returns those of a list that a text names; an empty text names all.
func choose[T ~string](name, text string, all []T) ([]T, error) {
	if text == "" {
		return all, nil
	}
	var chosen []T
	for field := range strings.SplitSeq(text, ",") {
		if !slices.Contains(all, T(field)) {
			return nil, fmt.Errorf("%s %q: want some of %q", name, field, all)
		}
		chosen = append(chosen, T(field))
	}
	return chosen, nil
}

func kindList() string {
	var names []string
	for _, k := range fleet.Kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ",")
}
