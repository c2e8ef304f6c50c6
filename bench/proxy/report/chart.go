package report

import (
	"fmt"

	"github.com/svcreg/svcreg/bench/show"
)

// Chart shows results as an SVG image.
func Chart(r Results) string {
	micros := func(v float64) string { return show.Number("%.1f µs", v*1e6) }
	bound, unpinned := []Lane{Small, Large}, []Lane{SmallUnpinned, LargeUnpinned}
	var panels []show.Panel
	for _, l := range bound {
		panels = append(panels, r.panel("Requests a second, server-bound: "+string(l), Rate, show.Thousands, l))
	}
	panels = append(panels,
		r.panel("CPU of a request", CPU, micros, bound...),
		r.panel("Latency, 99th percentile", P99, show.Millis, Small, SmallAlone, LargeAlone),
	)
	for _, l := range unpinned {
		panels = append(panels, r.panel("Requests a second: "+string(l), Rate, show.Thousands, l))
	}
	panels = append(panels, r.panel(fmt.Sprintf("Memory with %d idle WebSockets", r.Sockets), Filled, show.Megabytes, Sockets))
	return show.Chart(panels...)
}

// panel returns a bar for each lane and server that a measure has figures of.
func (r *Results) panel(title string, m Measure, text func(float64) string, lanes ...Lane) show.Panel {
	p := show.Panel{Title: title}
	for _, l := range lanes {
		for _, s := range Servers {
			if values := r.Find(l, s, m); values != nil {
				v := show.Median(values)
				p.Add(string(l), show.Bar{Name: string(s), Value: v, Shown: text(v), Colour: colour(s)})
			}
		}
	}
	return p
}

func colour(s Server) show.Colour {
	switch {
	case s.IsOurs():
		return show.Ours
	case s == NGINX, s == HAProxy:
		return show.Rival
	}
	return show.Plain
}
