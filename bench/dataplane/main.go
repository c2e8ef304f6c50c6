//go:build linux

// Command dataplane measures svcreg's data plane beside kube-proxy's iptables
// shape: what new flows cost, how long the kernel takes to be programmed, and
// how the daemon fares. All happens in network namespaces that it makes and
// removes. It needs Linux, root, iptables and nft, and the programs that
// `make bench-dataplane` builds; it prints tables, and writes them with a chart
// and all raw figures to a directory.
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

	"github.com/svcreg/svcreg/bench/dataplane/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench-dataplane:", err)
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
	if len(results.Figures) == 0 {
		return err
	}
	// What was found until something went wrong is worth having, too.
	_, writeErr := io.WriteString(out, report.Markdown(results))
	return errors.Join(err, writeErr, write(o.out, results))
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
