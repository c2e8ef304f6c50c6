package show

import (
	"fmt"
	"html"
	"strings"
)

// Sizes of the drawing, in pixels.
const (
	width      = 860
	labelWidth = 150 // what stands left of the bars
	nameWidth  = 185 // the servers' names, between the two
	valueWidth = 80  // the figures right of the longest bar
	barsAt     = labelWidth + nameWidth
	barHeight  = 13
	groupGap   = 7
	panelGap   = 26
	titleSpace = 24
)

// Colour is a colour of SVG. All can be told apart, on a light background and on
// a dark one.
type Colour string

// The colours: of text and of what is not of interest, of what is ours, and of
// whom it is compared with.
const (
	Plain Colour = "#7d8590"
	Ours  Colour = "#2f81f7"
	Rival Colour = "#d9822b"
)

// drawing is an SVG image that grows downwards.
type drawing struct {
	body strings.Builder
	y    int
}

// String returns the image.
func (d *drawing) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, sans-serif" font-size="11" fill="%s">`+
		"\n%s</svg>\n", width, d.y+panelGap/2, Plain, d.body.String())
}

// panel draws a title and groups of bars, to a scale that fills the width.
func (d *drawing) panel(p Panel) {
	d.y += panelGap
	d.text(0, d.y, `font-size="14" font-weight="600"`, p.Title)
	d.y += titleSpace - barHeight
	top, scale := d.y, p.scale()
	for _, g := range p.Groups {
		d.text(0, d.y+barHeight-3, "", g.Label)
		for _, b := range g.Bars {
			d.bar(b, scale)
		}
		d.y += groupGap
	}
	if p.Mark > 0 {
		x := barsAt + p.Mark*scale
		fmt.Fprintf(&d.body, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-dasharray="3 3"/>`+"\n", x, top, x, d.y-groupGap, Plain)
	}
}

// scale returns how many pixels a unit is long.
func (p Panel) scale() float64 {
	longest := p.Mark
	for _, g := range p.Groups {
		for _, b := range g.Bars {
			longest = max(longest, b.Value)
		}
	}
	if longest == 0 {
		return 0
	}
	return (width - barsAt - valueWidth) / longest
}

func (d *drawing) bar(b Bar, scale float64) {
	length := max(b.Value*scale, 1)
	base := d.y + barHeight - 3
	d.text(barsAt-6, base, `text-anchor="end"`, b.Name)
	fmt.Fprintf(&d.body, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", barsAt, d.y+1, length, barHeight-2, b.Colour)
	d.text(barsAt+int(length)+5, base, "", b.Shown)
	d.y += barHeight
}

func (d *drawing) text(x, y int, attributes, text string) {
	fmt.Fprintf(&d.body, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, attributes, html.EscapeString(text))
}
