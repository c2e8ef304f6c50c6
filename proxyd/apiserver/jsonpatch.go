package apiserver

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// operation is one step of a JSON patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	From  string          `json:"from"`
	Value json.RawMessage `json:"value"`
}

// maxOperations is how many steps a JSON patch can have, as at an apiserver, and
// maxGrown how many values an object can have after a copy: a few steps that
// copy a list into itself make it as large as they like.
const maxOperations, maxGrown = 10000, 100000

// runOperations applies a JSON patch. The fields given are used up.
func runOperations(fields map[string]any, operations []operation) (map[string]any, error) {
	if n := len(operations); n > maxOperations {
		return nil, errPatch("%d operations: want at most %d", n, maxOperations)
	}
	var root any = fields
	for i, o := range operations {
		next, err := o.run(root)
		if err != nil {
			return nil, errPatch("operation %d (%s %s): %v", i, o.Op, o.Path, err)
		}
		root = next
	}
	changed, ok := root.(map[string]any)
	if !ok {
		return nil, errPatch("the patch leaves no object")
	}
	return changed, nil
}

func (o *operation) run(root any) (any, error) {
	path, err := pointer(o.Path)
	if err != nil {
		return nil, err
	}
	switch o.Op {
	case "remove":
		return edit(root, path, removeAt)
	case "add", "replace", "test":
		var value any
		if err := json.Unmarshal(o.Value, &value); err != nil {
			return nil, errPatch("value: %v", err)
		}
		return o.put(root, path, value)
	case "move", "copy":
		return o.transfer(root, path)
	}
	return nil, errPatch("want add, remove, replace, move, copy or test")
}

func (o *operation) put(root any, path []string, value any) (any, error) {
	switch o.Op {
	case "add":
		return edit(root, path, func(in any, name string) (any, error) { return addAt(in, name, value) })
	case "replace":
		return edit(root, path, func(in any, name string) (any, error) { return replaceAt(in, name, value) })
	}
	found, err := lookUp(root, path)
	if err == nil && !reflect.DeepEqual(found, value) {
		err = errPatch("the test failed")
	}
	return root, err
}

// transfer moves or copies a value.
func (o *operation) transfer(root any, path []string) (any, error) {
	from, err := pointer(o.From)
	if err != nil {
		return nil, err
	}
	value, err := lookUp(root, from)
	if err == nil && o.Op == "copy" && count(root)+count(value) > maxGrown {
		err = errPatch("want an object of at most %d values", maxGrown)
	}
	if err == nil && o.Op == "move" {
		root, err = edit(root, from, removeAt)
	}
	if err != nil {
		return nil, err
	}
	return edit(root, path, func(in any, name string) (any, error) { return addAt(in, name, clone(value)) })
}

// count returns how many values there are in one.
func count(value any) int {
	n := 1
	switch v := value.(type) {
	case map[string]any:
		for _, field := range v {
			n += count(field)
		}
	case []any:
		for _, e := range v {
			n += count(e)
		}
	}
	return n
}

// clone returns a copy that shares nothing with a value.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for name, field := range v {
			c[name] = clone(field)
		}
		return c
	case []any:
		c := slices.Clone(v)
		for i := range c {
			c[i] = clone(c[i])
		}
		return c
	}
	return value
}

// pointer reads a JSON pointer (RFC 6901) that leads to less than all.
func pointer(text string) ([]string, error) {
	if !strings.HasPrefix(text, "/") {
		return nil, errPatch("%q: want a path that begins with /", text)
	}
	parts := strings.Split(text[1:], "/")
	for i := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
	}
	return parts, nil
}

func lookUp(in any, path []string) (any, error) {
	for _, name := range path {
		var err error
		if in, err = child(in, name); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func child(in any, name string) (any, error) {
	switch v := in.(type) {
	case map[string]any:
		if field, ok := v[name]; ok {
			return field, nil
		}
	case []any:
		i, err := elementIndex(name, len(v)-1)
		if err != nil {
			return nil, err
		}
		return v[i], nil
	}
	return nil, errPatch("there is no %q", name)
}

// elementIndex reads the index of an element.
func elementIndex(name string, most int) (int, error) {
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || i > most || name != strconv.Itoa(i) {
		return 0, errPatch("%q: want an index from 0 to %d", name, most)
	}
	return i, nil
}

// edit has the parent of what a path leads to changed, and all above it.
func edit(in any, path []string, change func(in any, name string) (any, error)) (any, error) {
	if len(path) == 1 {
		return change(in, path[0])
	}
	below, err := child(in, path[0])
	if err != nil {
		return nil, err
	}
	if below, err = edit(below, path[1:], change); err != nil {
		return nil, err
	}
	return replaceAt(in, path[0], below)
}

func replaceAt(in any, name string, value any) (any, error) {
	if _, err := child(in, name); err != nil {
		return nil, err
	}
	switch v := in.(type) {
	case map[string]any:
		v[name] = value
	case []any:
		i, _ := strconv.Atoi(name) // child has read it
		v[i] = value
	}
	return in, nil
}

func addAt(in any, name string, value any) (any, error) {
	switch v := in.(type) {
	case map[string]any:
		v[name] = value
		return v, nil
	case []any:
		if name == "-" {
			return append(v, value), nil
		}
		i, err := elementIndex(name, len(v))
		if err != nil {
			return nil, err
		}
		return slices.Insert(v, i, value), nil
	}
	return nil, errPatch("there is nothing to add %q to", name)
}

func removeAt(in any, name string) (any, error) {
	if _, err := child(in, name); err != nil {
		return nil, err
	}
	switch v := in.(type) {
	case map[string]any:
		delete(v, name)
	case []any:
		i, _ := strconv.Atoi(name) // child has read it
		return slices.Delete(v, i, i+1), nil
	}
	return in, nil
}
