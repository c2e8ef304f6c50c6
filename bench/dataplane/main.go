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
	"io"

	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/program"
)

func main() { program.Run("bench-dataplane", run) }

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
	return errors.Join(err, program.Publish(out, o.out, "dataplane", results, report.Markdown(results), report.Chart(results)))
}
