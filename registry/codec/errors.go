package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/svcreg/svcreg/registry"
)

// FieldError says that one field of an object is not what it must be.
type FieldError struct {
	File  string       // where the object was read from; empty for etcd
	Ref   registry.Ref // the object, as far as it is known
	Field string       // as the object's own version calls it: "spec.ports[0].port"
	Value string       // what was found; empty where nothing was
	Want  string       // what was expected: "1 to 65535"
}

// Error returns all of it in one line, such as
// "FILE: Service ns/name: spec.ports[0].port: 99999: want 1 to 65535".
func (e *FieldError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ": ")
	}
	if e.Ref != (registry.Ref{}) {
		b.WriteString(printable(e.Ref.String()) + ": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	if e.Value == "" {
		b.WriteString("missing: ")
	} else {
		b.WriteString(printable(e.Value) + ": ")
	}
	return b.String() + "want " + e.Want
}

// LossError says that an object can't be written back without losing
// something that svcreg doesn't know.
type LossError struct {
	Ref    registry.Ref
	Detail string // what would be lost
}

// Error names the object and what would be lost.
func (e *LossError) Error() string {
	return fmt.Sprintf("%s: %s would be lost by writing it back", e.Ref, printable(e.Detail))
}

// maxShown is how much of a value an error shows, in bytes.
const maxShown = 80

// printable makes a value fit for one line of a log, whoever wrote it.
func printable(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	if !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// failJSON notes an error of encoding/json, with the field and what was
// expected there.
func (c *conversion) failJSON(err error) {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		c.naming = asIs // the path is the value's own
		c.fail(jsonPath(wrong.Field), jsonFound(wrong), jsonWant(wrong))
		return
	}
	c.failWith(fmt.Errorf("JSON: %w", err))
}

// jsonFound says what stands where something else was expected: the number, or
// the type of anything else.
func jsonFound(e *json.UnmarshalTypeError) string {
	switch number, ok := strings.CutPrefix(e.Value, "number "); {
	case ok:
		return number
	case e.Value == "object" || e.Value == "array":
		return "an " + e.Value
	}
	return "a " + e.Value
}

// jsonPath leaves the names of embedded Go types, which alone are upper case,
// out of a path.
func jsonPath(path string) string {
	var parts []string
	for part := range strings.SplitSeq(path, ".") {
		if part != "" && (part[0] < 'A' || part[0] > 'Z' || part == "Condition") {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ".")
}

// jsonWant names what a Go type is in JSON.
func jsonWant(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice", "array":
		return "a list"
	case "struct", "map", "ptr":
		return "an object"
	}
	return "a number in range"
}
