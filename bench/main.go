// Command bench measures svcreg's DNS beside what people would use in its
// place: the plugins hosts, file, etcd and kubernetes of CoreDNS, with whoami,
// which does almost nothing, as the ceiling. All serve the same made-up fleet,
// from one CoreDNS binary. It needs Linux, two processors, dnsperf, and the
// programs that `make bench-dns` builds; it prints tables, and writes them with
// a chart and all raw figures to a directory.
package main

import (
	"context"
	"io"

	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/report"
)

func main() { program.Run("bench", run) }

// run does what the arguments say. Tables go to out, and what is going on to
// progress.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	results, err := program.Results(ctx, o.from, progress, o.measure)
	if err != nil {
		return err
	}
	return program.Publish(out, o.out, "dns", results, report.Markdown(results), report.Chart(results))
}
