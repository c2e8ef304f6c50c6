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
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/svcreg/svcreg/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run does what the arguments say. Tables go to out, and what is going on to
// progress.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	results, err := o.results(ctx, progress)
	if err != nil {
		return err
	}
	if err := write(o.out, results); err != nil {
		return err
	}
	_, err = io.WriteString(out, report.Markdown(results))
	return err
}

// results measures, or reads what was measured before.
func (o options) results(ctx context.Context, progress io.Writer) (report.Results, error) {
	if o.from != "" {
		return read(o.from)
	}
	began := time.Now()
	r, err := o.measure(ctx, func(format string, args ...any) {
		fmt.Fprintf(progress, "%6.1fs  "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	})
	if ctx.Err() != nil {
		return r, fmt.Errorf("interrupted: %w", ctx.Err()) // and so much else failed
	}
	return r, err
}
