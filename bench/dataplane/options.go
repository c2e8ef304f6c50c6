//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/measure"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
)

// The parts of the benchmark.
const (
	flows       = "flows"
	connections = "connections"
	changes     = "changes"
	daemon      = "daemon"
)

var allParts = []string{flows, connections, changes, daemon}

// options are what the command line says.
type options struct {
	sizes, daemonSizes []int
	endpoints          int
	// The fleet of many endpoints; no services for none.
	crowdServices, crowdEndpoints int

	parts    []string
	shapes   []shape.Shape
	quick    bool
	settings measure.Settings

	proxyd, etcd, out, from string
}

// The defaults, and what -quick makes of them.
var (
	full = measure.Settings{
		Rounds: 3, Bouts: 40, FlowTime: 5 * time.Millisecond, ConnectBouts: 10, ConnectTime: 100 * time.Millisecond, Changes: 20,
		Settle: 300 * time.Millisecond, Starts: 3, Idle: 30 * time.Second, Samples: 200, BusyTime: 20 * time.Second, BusyRate: 100,
	}
	quick = measure.Settings{
		Rounds: 1, Bouts: 2, FlowTime: 2 * time.Millisecond, ConnectBouts: 1, ConnectTime: 5 * time.Millisecond, Changes: 2,
		Settle: 10 * time.Millisecond, Starts: 1, Idle: 200 * time.Millisecond, Samples: 3, BusyTime: 300 * time.Millisecond, BusyRate: 100,
	}
)

// sizes are the numbers of services, full and quick.
const (
	fullSizes, quickSizes   = "10,1000,10000,30000", "10,50"
	fullDaemon, quickDaemon = "10000,30000", "50"
	fullCrowd, quickCrowd   = "5000x50", "20x50"
	maxServices             = 100_000
	maxEndpoints            = 1_000_000
)

// parse reads the command line. What is wrong with it, and the help, go to w.
func parse(args []string, w io.Writer) (options, error) {
	o := options{settings: full}
	flags := flag.NewFlagSet("bench-dataplane", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.BoolVar(&o.quick, "quick", false, "a run of seconds over few services, to see that all works; a flag of its own overrules it")
	sizes := flags.String("services", fullSizes, "how many `services`, with commas, in the kernel")
	daemonSizes := flags.String("daemon-services", fullDaemon, "how many `services`, with commas, in the registry of proxyd")
	crowd := flags.String("crowd", fullCrowd, "a registry of many endpoints, as `SERVICESxENDPOINTS`; empty for none")
	flags.IntVar(&o.endpoints, "endpoints", 5, "how many endpoints each service has")
	parts := flags.String("only", strings.Join(allParts, ","), "which `parts` to measure, with commas")
	shapes := flags.String("shapes", "", "which `shapes` to measure, with semicolons: "+strings.Join(names(shape.All), "; ")+" (default all)")
	flags.StringVar(&o.proxyd, "proxyd", "bin/proxyd", "proxyd")
	flags.StringVar(&o.etcd, "etcd", "bin/etcd", "etcd")
	flags.StringVar(&o.out, "out", "bin/results", "the `directory` for dataplane.md, dataplane.svg and dataplane.json")
	flags.StringVar(&o.from, "from", "", "measure nothing: show the results of this dataplane.json again")
	o.defineSettings(flags)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.quick {
		// Again, over other defaults.
		o.settings = quick
		for name, value := range map[string]string{"services": quickSizes, "daemon-services": quickDaemon, "crowd": quickCrowd} {
			if err := flags.Set(name, value); err != nil {
				return options{}, err
			}
		}
		if err := flags.Parse(args); err != nil {
			return options{}, err
		}
	}
	return o.check(flags, *sizes, *daemonSizes, *crowd, *parts, *shapes)
}

func (o *options) defineSettings(flags *flag.FlagSet) {
	s := &o.settings
	flags.IntVar(&s.Rounds, "rounds", s.Rounds, "how many rounds of what is measured in the kernel")
	flags.IntVar(&s.Bouts, "bouts", s.Bouts, "how often new flows are measured in a round")
	flags.DurationVar(&s.FlowTime, "flow-time", s.FlowTime, "for how long each time")
	flags.IntVar(&s.ConnectBouts, "connect-bouts", s.ConnectBouts, "how often connections are measured in a round")
	flags.DurationVar(&s.ConnectTime, "connect-time", s.ConnectTime, "for how long each time")
	flags.IntVar(&s.Changes, "changes", s.Changes, "how many changes to the kernel are timed in a round, at most")
	flags.DurationVar(&s.Settle, "settle", s.Settle, "the pause between two looks at the memory of the kernel, until it stays the same")
	flags.IntVar(&s.Starts, "starts", s.Starts, "how often each proxyd is started")
	flags.DurationVar(&s.Idle, "idle", s.Idle, "how long an idle proxyd is watched")
	flags.IntVar(&s.Samples, "samples", s.Samples, "how many changes are timed end to end while nothing else goes on")
	flags.DurationVar(&s.BusyTime, "busy-time", s.BusyTime, "how long changes are timed among others")
	flags.IntVar(&s.BusyRate, "busy-changes", s.BusyRate, "changes a second, of those others")
}

// check fills in what needs more than a flag, and refuses what can't be.
func (o options) check(flags *flag.FlagSet, sizes, daemonSizes, crowd, parts, shapes string) (options, error) {
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if o.sizes, err = parseSizes("-services", sizes); err != nil {
		return options{}, err
	}
	if o.daemonSizes, err = parseSizes("-daemon-services", daemonSizes); err != nil {
		return options{}, err
	}
	if o.crowdServices, o.crowdEndpoints, err = parseCrowd(crowd); err != nil {
		return options{}, err
	}
	for part := range strings.SplitSeq(parts, ",") {
		if !slices.Contains(allParts, part) {
			return options{}, fmt.Errorf("-only %q: want some of %q", part, allParts)
		}
		o.parts = append(o.parts, part)
	}
	if o.shapes, err = chooseShapes(shapes); err != nil {
		return options{}, err
	}
	return o, o.checkNumbers()
}

func (o options) checkNumbers() error {
	s := o.settings
	for name, n := range map[string]int{
		"-endpoints": o.endpoints, "-rounds": s.Rounds, "-bouts": s.Bouts, "-connect-bouts": s.ConnectBouts, "-changes": s.Changes, "-starts": s.Starts,
		"-samples": s.Samples, "-busy-changes": s.BusyRate, "-flow-time": int(s.FlowTime), "-connect-time": int(s.ConnectTime),
		"-idle": int(s.Idle), "-busy-time": int(s.BusyTime),
	} {
		if n <= 0 {
			return fmt.Errorf("%s: want more than 0", name)
		}
	}
	for _, n := range slices.Concat(o.sizes, o.daemonSizes) {
		if n*o.endpoints > maxEndpoints {
			return fmt.Errorf("%d services × %d: want no more than %d endpoints", n, o.endpoints, maxEndpoints)
		}
	}
	return nil
}

func parseSizes(name, text string) ([]int, error) {
	var sizes []int
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < services.Min || n > maxServices {
			return nil, fmt.Errorf("%s %q: want numbers from %d to %d", name, text, services.Min, maxServices)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

func parseCrowd(text string) (count, endpoints int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	first, second, _ := strings.Cut(text, "x")
	count, err = strconv.Atoi(first)
	if err == nil {
		endpoints, err = strconv.Atoi(second)
	}
	if err != nil || count < services.Min || endpoints < 1 || count > maxServices || count*endpoints > maxEndpoints {
		return 0, 0, fmt.Errorf("-crowd %q: want SERVICESxENDPOINTS, from %dx1 to %d endpoints in all", text, services.Min, maxEndpoints)
	}
	return count, endpoints, nil
}

// chooseShapes returns those that a text names; an empty text names all.
func chooseShapes(text string) ([]shape.Shape, error) {
	if text == "" {
		return shape.All, nil
	}
	var chosen []shape.Shape
	for name := range strings.SplitSeq(text, ";") {
		i := slices.Index(names(shape.All), strings.TrimSpace(name))
		if i < 0 {
			return nil, fmt.Errorf("-shapes %q: want some of %q", name, names(shape.All))
		}
		chosen = append(chosen, shape.All[i])
	}
	return chosen, nil
}

func names(shapes []shape.Shape) []string {
	var list []string
	for _, s := range shapes {
		list = append(list, string(s.Name))
	}
	return list
}
