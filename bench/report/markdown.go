package report

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// table is a Markdown table. The first column is text, the others figures.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table with its columns aligned, so that it can be read as
// it is.
func (t *table) String() string {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	line(&b, t.head, width)
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

// number shows a figure with a format, and one that isn't there as nothing.
func number(format string, figure float64) string {
	if math.IsNaN(figure) || math.IsInf(figure, 0) {
		return ""
	}
	return fmt.Sprintf(format, figure)
}

func thousands(figure float64) string { return number("%.1fk", figure/1e3) }
func megabytes(figure float64) string { return number("%.1f MB", figure/1e6) }
func millis(figure float64) string    { return number("%.2f ms", figure*1e3) }
