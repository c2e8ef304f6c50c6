// Package show shows figures: as Markdown tables with goals beside them, and as
// bars in an SVG image. It is pure.
package show

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Table is a Markdown table. The first column is text, the others figures.
type Table struct {
	Head []string
	rows [][]string
}

// Add appends a row, which has a cell for each column.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Section returns a section of a document: a title, a text, and the table. It is
// empty where the table is.
func (t *Table) Section(title, text string) string {
	if len(t.rows) == 0 {
		return ""
	}
	return fmt.Sprintf("\n## %s\n\n%s\n\n%s", title, text, t)
}

// String returns the table with its columns aligned, so that it can be read as
// it is.
func (t *Table) String() string {
	width := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	line(&b, t.Head, width)
	for i, w := range width {
		dashes := strings.Repeat("-", w+1)
		b.WriteString("|" + dashes + map[bool]string{true: "-", false: ":"}[i == 0])
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(&b, row, width)
	}
	return b.String()
}

func line(b *strings.Builder, cells []string, width []int) {
	for i, w := range width {
		fill := strings.Repeat(" ", w-utf8.RuneCountInString(cells[i]))
		if i == 0 {
			b.WriteString("| " + cells[i] + fill + " ")
		} else {
			b.WriteString("| " + fill + cells[i] + " ")
		}
	}
	b.WriteString("|\n")
}

// Number shows a figure with a format, and one that isn't there as nothing.
func Number(format string, figure float64) string {
	if math.IsNaN(figure) || math.IsInf(figure, 0) {
		return ""
	}
	return fmt.Sprintf(format, figure)
}

// Thousands shows a figure as thousands.
func Thousands(figure float64) string { return Number("%.1fk", figure/1e3) }

// Megabytes shows bytes.
func Megabytes(figure float64) string { return Number("%.1f MB", figure/1e6) }

// Millis shows seconds as milliseconds.
func Millis(figure float64) string { return Number("%.2f ms", figure*1e3) }
