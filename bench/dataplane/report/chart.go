package report

import (
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/show"
)

// Chart shows results as an SVG image.
func Chart(r Results) string {
	millis := func(v float64) string { return show.Number("%.1f ms", v*1e3) }
	return show.Chart(
		r.panel("New flow to the last service", FlowLast, 50, func(v float64) string { return show.Number("%.1f µs", v*1e6) }),
		r.panel("TCP connections a second", Connections, 50, show.Thousands),
		r.panel("Full load", Load, 50, func(v float64) string { return show.Number("%.0f ms", v*1e3) }),
		r.panel("One endpoint swapped, in the kernel", Change, 50, show.Millis),
		r.panel("Memory of the kernel", Memory, 50, show.Megabytes),
		r.panel("Start of the daemon to the last service", Start, 50, millis),
		r.panel("Acknowledged write to a packet at the new endpoint, 99th percentile", EndToEnd, 99, millis),
		r.panel("The same, with other changes meanwhile", Busy, 99, millis),
	)
}

// panel returns a bar for each size and shape that a measure has figures of: a
// percentile of them.
func (r *Results) panel(title string, m Measure, percentile float64, text func(float64) string) show.Panel {
	p := show.Panel{Title: title}
	r.rows(m, func(n Size, s shape.Name) {
		v := show.Median(r.Find(m, s, n))
		if percentile != 50 {
			v = show.Percentile(r.Find(m, s, n), percentile)
		}
		p.Add(n.String(), show.Bar{Name: string(s), Value: max(v, 0), Shown: text(v), Colour: colour(s)})
	})
	return p
}

func colour(s shape.Name) show.Colour {
	switch {
	case s.IsFloor():
		return show.Plain
	case s.IsLinear():
		return show.Rival
	}
	return show.Ours
}
