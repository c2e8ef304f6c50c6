//go:build linux

// Command proxy measures proxyd's proxy path beside a bare
// httputil.ReverseProxy, nginx and HAProxy: requests a second and latencies of
// small and large bodies, and the memory of idle WebSockets. It needs Linux, two
// processors, wrk, nginx, haproxy, and the programs that `make bench-proxy`
// builds; it prints tables, and writes them with a chart and all raw figures to
// a directory.
package main

import (
	"context"
	"errors"
	"io"

	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/proxy/report"
)

func main() { program.Run("bench-proxy", run) }

// run does what the arguments say. Tables go to out, and what is going on to
// progress.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	results, err := program.Results(ctx, o.from, progress, o.measure)
	if len(results.Figures) == 0 {
		return err
	}
	// What was found until something went wrong is worth having, too.
	return errors.Join(err, program.Publish(out, o.out, "proxy", results, report.Markdown(results), report.Chart(results)))
}
