// Command bench measures svcreg's DNS beside what people would use in its
// place: the plugins hosts, file, etcd and kubernetes of CoreDNS, with whoami,
// which does almost nothing, as the ceiling. All serve the same made-up fleet,
// from one CoreDNS binary. It needs Linux, two processors, dnsperf, and the
// programs that `make bench-dns` builds; it prints tables, and writes them with
// a chart and all raw figures to a directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/svcreg/svcreg/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run does what the arguments say.
func run(ctx context.Context, args []string) error {
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	results, err := o.results(ctx)
	if err != nil {
		return err
	}
	if err := write(o.out, results); err != nil {
		return err
	}
	fmt.Print(report.Markdown(results))
	return nil
}

// results measures, or reads what was measured before.
func (o options) results(ctx context.Context) (report.Results, error) {
	if o.from != "" {
		return read(o.from)
	}
	began := time.Now()
	return o.measure(ctx, func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6.1fs  "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	})
}
