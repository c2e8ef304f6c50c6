package main

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/svcreg/svcreg/registry/codec"
)

// table prints objects in columns. While watching, a column stays as wide as
// it got.
type table struct {
	w         io.Writer
	columns   []column
	withSpace bool // a column for the namespace
	withEvent bool // a column for what happened
	rows      [][]string
	widths    []int
}

// column is one property of an object.
type column struct {
	header string
	wide   bool // for -o wide only
	text   func(item) string
}

func newTable(w io.Writer, q *query) *table {
	t := &table{w: w, withSpace: q.all && codec.Namespaced(q.resource.kind), withEvent: q.watch}
	for _, c := range columns[q.resource.kind] {
		if !c.wide || q.format == "wide" {
			t.columns = append(t.columns, c)
		}
	}
	return t
}

func (t *table) add(e event, it item) error {
	if t.widths == nil {
		t.rows = append(t.rows, t.header())
	}
	var row []string
	if t.withEvent {
		row = append(row, string(e))
	}
	if t.withSpace {
		row = append(row, it.Ref().Namespace)
	}
	for _, c := range t.columns {
		row = append(row, printable(c.text(it)))
	}
	t.rows = append(t.rows, row)
	t.widen()
	return nil
}

func (t *table) header() []string {
	var row []string
	if t.withEvent {
		row = append(row, "EVENT")
	}
	if t.withSpace {
		row = append(row, "NAMESPACE")
	}
	for _, c := range t.columns {
		row = append(row, c.header)
	}
	return row
}

// widen makes room for the rows that are still to be printed.
func (t *table) widen() {
	for _, row := range t.rows {
		if t.widths == nil {
			t.widths = make([]int, len(row))
			if t.withEvent {
				t.widths[0] = len(modified) // the longest
			}
		}
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
}

func (t *table) flush() error {
	var out strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell)+3))
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	t.rows = nil
	_, err := io.WriteString(t.w, out.String())
	return err
}
