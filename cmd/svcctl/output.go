package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/svcreg/svcreg/registry/codec"
)

// formats are the values of get's -o.
var formats = []string{"table", "wide", "json", "yaml", "name"}

// output is a way to show objects. Flush ends what belongs together: what was
// listed, or one event of a watch.
type output interface {
	add(event, item) error
	flush() error
}

func newOutput(w io.Writer, q *query) output {
	switch q.format {
	case "name":
		return &nameOutput{w, q.watch}
	case "json", "yaml":
		return &documentOutput{w: w, yaml: q.format == "yaml", single: len(q.names) == 1, watch: q.watch}
	}
	return newTable(w, q)
}

// nameOutput prints an object's handle on a line of its own, and while
// watching what happened to it.
type nameOutput struct {
	w     io.Writer
	watch bool
}

func (o *nameOutput) add(e event, it item) error {
	line := handle(it.Ref())
	if o.watch {
		line += " " + strings.ToLower(string(e))
	}
	_, err := fmt.Fprintln(o.w, line)
	return err
}

func (*nameOutput) flush() error { return nil }

// documentOutput prints objects in the form they are stored in: one by itself,
// several as a List, and while watching each as an event of its own.
type documentOutput struct {
	w                   io.Writer
	yaml, single, watch bool
	pending             []json.RawMessage
}

func (o *documentOutput) add(e event, it item) error {
	text, err := document(it)
	if err == nil && o.watch {
		text, err = json.Marshal(struct {
			Type   event           `json:"type"`
			Object json.RawMessage `json:"object"`
		}{e, text})
	}
	o.pending = append(o.pending, text)
	return err
}

// document returns an object as JSON in its own version, with the namespace
// that it has by its key.
func document(it item) (json.RawMessage, error) {
	d, err := codec.ParseValue(it.Ref(), it.value)
	if err != nil {
		return nil, err
	}
	d.SetNamespace(it.Ref().Namespace)
	return d.JSON()
}

func (o *documentOutput) flush() error {
	pending := o.pending
	o.pending = nil
	if o.watch {
		for _, text := range pending {
			if err := o.print(text); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case o.single && len(pending) == 0:
		return nil
	case o.single:
		return o.print(pending[0])
	}
	text, err := json.Marshal(struct {
		Kind       string            `json:"kind"`
		APIVersion string            `json:"apiVersion"`
		Items      []json.RawMessage `json:"items"`
	}{"List", "v1", append([]json.RawMessage{}, pending...)})
	if err != nil {
		return err
	}
	return o.print(text)
}

// print writes one document; events as JSON take a line each.
func (o *documentOutput) print(text json.RawMessage) error {
	var out bytes.Buffer
	switch {
	case o.yaml:
		lines, err := yaml.JSONToYAML(text)
		if err != nil {
			return err
		}
		if o.watch {
			out.WriteString("---\n")
		}
		out.Write(lines)
	case o.watch:
		out.Write(text)
		out.WriteByte('\n')
	default:
		if err := json.Indent(&out, text, "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	_, err := o.w.Write(out.Bytes())
	return err
}

// printable makes text fit for a terminal, whoever wrote it to etcd.
func printable(text string) string {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			quoted := strconv.Quote(text)
			return quoted[1 : len(quoted)-1]
		}
	}
	return text
}
