package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/show"
)

// Markdown shows results as tables.
func Markdown(r Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# svcreg beside its peers: the proxy path\n\n%s\n%s, %d cores, Linux %s, %s, %s, %s.\n",
		r.Time.Format(time.DateOnly), r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go, r.Machine.NGINX, r.Machine.HAProxy)
	fmt.Fprintf(&b, `
Small bodies have %d bytes, large ones %d. %d connections ask, kept alive, each with one request under way at a time (wrk).
The backend is nginx, which is faster than any of the proxies; in its own row there is no proxy.
ReverseProxy is Go's httputil.ReverseProxy with nothing around it: the ceiling of proxyd's approach.
proxyd finds the service in its registry and logs each request, by default; the others look up nothing and log nothing.
All proxies keep their connections to the backend. Medians; ratios and differences are of rounds that were run next to each other.
`, r.Small, r.Large, r.Connections)
	b.WriteString(throughput(&r, Small, Large).Section("Requests, server-bound",
		"One core for the server; clients and backend share another. Where a server isn't busy, these are what limits it: compare the CPU of a request."))
	b.WriteString(throughput(&r, SmallAlone, LargeAlone).Section("Latency, server-bound",
		"The same with one connection: nothing waits for anything but its own answer."))
	b.WriteString(throughput(&r, SmallUnpinned, LargeUnpinned).Section("Requests, unpinned", "Servers, clients and backend share all cores."))
	b.WriteString(sockets(&r).Section("Idle WebSockets",
		fmt.Sprintf("What a server has resident with %d WebSockets that are idle; what the kernel has of their connections is not in it.", r.Sockets)))
	return b.String()
}

func throughput(r *Results, lanes ...Lane) *show.Table {
	t := &show.Table{Head: []string{
		"lane", "server", "requests/s", "÷ ReverseProxy", "goal", "÷ nginx", "goal", "CPU of a request", "÷ ReverseProxy", "busy", "p50", "p99", "p99 added", "goal",
	}}
	for _, l := range lanes {
		for _, s := range Servers {
			rate := r.Find(l, s, Rate)
			if rate == nil {
				continue
			}
			bare, nginx := show.Ratio(rate, r.Find(l, Reverse, Rate)), show.Ratio(rate, r.Find(l, NGINX, Rate))
			small := l == Small || l == SmallUnpinned
			cpu, added := r.Find(l, s, CPU), r.added(l, s, P99)
			t.Add(string(l), string(s), show.Thousands(show.Median(rate)),
				show.Number("%.2f", bare), show.AtLeast(bare, when(s.IsOurs(), reverseGoal(l))),
				show.Number("%.2f", nginx), show.AtLeast(nginx, when(s.IsOurs() && small, nginxGoal)),
				show.Number("%.1f µs", show.Median(cpu)*1e6), show.Number("%.2f", show.Ratio(cpu, r.Find(l, Reverse, CPU))),
				show.Number("%.0f%%", show.Median(r.Find(l, s, Busy))*100),
				show.Millis(show.Median(r.Find(l, s, P50))), show.Millis(show.Median(r.Find(l, s, P99))),
				show.Millis(added), show.AtMost(added, latencyGoal(l), show.Millis(addedGoal)))
		}
	}
	return t
}

func sockets(r *Results) *show.Table {
	t := &show.Table{Head: []string{"server", "before", "resident", "of a WebSocket", "÷ ReverseProxy", "with 10000", "goal"}}
	for _, s := range Servers {
		empty, filled := r.Find(Sockets, s, Empty), r.Find(Sockets, s, Filled)
		if filled == nil {
			continue
		}
		before, resident := show.Median(empty), show.Median(filled)
		each := (resident - before) / float64(r.Sockets)
		many := math.NaN() // few tell nothing of it
		if r.Sockets >= enoughSockets {
			many = before + each*goalSockets
		}
		t.Add(string(s), show.Megabytes(before), show.Megabytes(resident),
			show.Number("%.1f kB", each/1e3), show.Number("%.2f", show.Ratio(filled, r.Find(Sockets, Reverse, Filled))),
			show.Megabytes(many), show.AtMost(many, when(s == Proxyd, socketsGoal), show.Megabytes(socketsGoal)))
	}
	return t
}
