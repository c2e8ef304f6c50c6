package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tree is a JSON object with all its fields. Numbers are json.Number, so they
// stay as they were written. A field is found by its exact name or else in any
// case, as encoding/json does.
type tree map[string]any

// decode reads the one JSON object that text is. A field that is written twice
// is an error: which one counts would be a guess.
func (t *tree) decode(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(t); err != nil {
		return fmt.Errorf("JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("JSON: more than one value")
	}
	if *t == nil {
		return errors.New("JSON: want an object")
	}
	if err := twice(text); err != nil {
		return err
	}
	return t.twiceInAnyCase()
}

func (t tree) encode() ([]byte, error) { return encodeValue(t) }

// encodeValue returns the JSON of what may be in a tree.
func encodeValue(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// key returns the name under which a field stands in the tree.
func (t tree) key(name string) (string, bool) {
	if _, ok := t[name]; ok {
		return name, true
	}
	for key := range t {
		if strings.EqualFold(key, name) {
			return key, true
		}
	}
	return name, false
}

// get returns a field, or nil.
func (t tree) get(name string) any {
	key, _ := t.key(name)
	return t[key]
}

// has reports whether a field is there and not null.
func (t tree) has(name string) bool { return t.get(name) != nil }

// text returns a field that is a string, or nothing.
func (t tree) text(name string) string {
	s, _ := t.get(name).(string)
	return s
}

func (t tree) set(name string, v any) {
	key, _ := t.key(name)
	t[key] = v
}

// remove takes a field out, in every case it is written in.
func (t tree) remove(name string) {
	for {
		key, ok := t.key(name)
		if !ok {
			return
		}
		delete(t, key)
	}
}

// child returns the object in a field, and makes it where there is none.
func (t tree) child(name string) tree {
	if m, ok := t.peek(name); ok {
		return m
	}
	m := map[string]any{}
	t.set(name, m)
	return m
}

// peek returns the object in a field, if there is one.
func (t tree) peek(name string) (tree, bool) {
	switch m := t.get(name).(type) {
	case map[string]any:
		return m, true
	case tree:
		return m, true
	}
	return nil, false
}

// anys returns a list as a tree has it.
func anys(texts []string) []any {
	list := make([]any, len(texts))
	for i, s := range texts {
		list[i] = s
	}
	return list
}

// decodeStrictly reads JSON and refuses fields that v doesn't have.
func decodeStrictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
