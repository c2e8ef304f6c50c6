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
	b.WriteString(serverBound(r).Section("Queries a second, server-bound",
		"One core for the server, another for dnsperf. Medians; ratios of rounds that were run next to each other."))
	b.WriteString(disturbed(r))
	b.WriteString(unpinned(r).Section("Queries a second, unpinned",
		"Server and dnsperf share all cores. A records."))
	b.WriteString(memory(r).Section("Resident memory",
		"After some questions, in medians."))
	b.WriteString(start(r).Section("Start",
		"From the start of the process to the first right answer, in medians."))
	b.WriteString(change(r).Section("Change",
		"From the acknowledged write to the new answer."))
	return b.String()
}
