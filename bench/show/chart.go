package show

import "slices"

// Panel is a part of a chart: bars of one scale.
type Panel struct {
	Title  string
	Groups []Group
	Mark   float64 // where a line stands across the bars; 0 for none
}

// Group is bars that belong together.
type Group struct {
	Label string
	Bars  []Bar
}

// Bar is one figure.
type Bar struct {
	Name   string
	Value  float64
	Shown  string // the value as text
	Colour Colour
}

// Add appends bars to the group of a label, which is made if there is none and
// there are bars.
func (p *Panel) Add(label string, bars ...Bar) {
	if len(bars) == 0 {
		return
	}
	i := slices.IndexFunc(p.Groups, func(g Group) bool { return g.Label == label })
	if i < 0 {
		i, p.Groups = len(p.Groups), append(p.Groups, Group{Label: label})
	}
	p.Groups[i].Bars = append(p.Groups[i].Bars, bars...)
}

// Chart shows panels, those that have bars, as an SVG image.
func Chart(panels ...Panel) string {
	d := &drawing{}
	for _, p := range panels {
		if len(p.Groups) > 0 {
			d.panel(p)
		}
	}
	return d.String()
}
