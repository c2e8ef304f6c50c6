package report

import (
	"fmt"
	"strings"
	"time"
)

// Markdown shows results as tables.
func Markdown(r Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# svcreg beside its peers: DNS\n\n%d services × %d endpoints, %setcd values in %s. %s\n%s, %d cores, Linux %s, %s, CoreDNS %s.\n",
		r.Services, r.Endpoints, map[bool]string{true: "pods verified, "}[r.Pods], r.Encoding, r.Time.Format(time.DateOnly),
		r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go, r.Machine.CoreDNS)
	section(&b, len(r.Throughput), "Queries a second, server-bound",
		"One core for the server, another for dnsperf. Medians; ratios of rounds that were run next to each other.", serverBound(r))
	b.WriteString(disturbed(r))
	section(&b, len(r.Throughput), "Queries a second, unpinned", "Server and dnsperf share all cores. A records.", unpinned(r))
	section(&b, len(r.Memory), "Resident memory", "After some questions, in medians.", memory(r))
	section(&b, len(r.Start), "Start", "From the start of the process to the first right answer, in medians.", start(r))
	section(&b, len(r.Change), "Change", "From the acknowledged write to the new answer.", change(r))
	return b.String()
}

// section writes a section if there is something to show.
func section(b *strings.Builder, n int, title, text string, t *table) {
	if n > 0 && len(t.rows) > 0 {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n%s", title, text, t)
	}
}
