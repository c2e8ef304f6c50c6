package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// twice reports a field that stands twice in an object of a JSON text, which
// encoding/json takes without a word.
func twice(text []byte) error {
	w := walk{json.NewDecoder(bytes.NewReader(text))}
	w.UseNumber()
	for {
		switch err := w.value(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("JSON: %w", err)
		}
	}
}

// walk goes through a JSON text.
type walk struct{ *json.Decoder }

func (w walk) value() error {
	token, err := w.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return w.object()
	case json.Delim('['):
		return w.array()
	}
	return nil
}

func (w walk) object() error {
	seen := map[string]bool{}
	for w.More() {
		token, err := w.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if seen[name] {
			return fmt.Errorf("the field %s is there twice", printable(name))
		}
		seen[name] = true
		if err := w.value(); err != nil {
			return err
		}
	}
	_, err := w.Token()
	return err
}

func (w walk) array() error {
	for w.More() {
		if err := w.value(); err != nil {
			return err
		}
	}
	_, err := w.Token()
	return err
}

// twiceInAnyCase reports a field that stands twice in different spellings,
// such as port and Port: reading takes either. Deeper objects than these are
// labels and the like, in which case counts.
func (t tree) twiceInAnyCase() error {
	objects := []tree{t}
	for _, name := range []string{"metadata", "spec", "status"} {
		if inner, ok := t.peek(name); ok {
			objects = append(objects, inner)
		}
	}
	for _, object := range objects {
		seen := map[string]string{}
		for name := range object {
			if other, ok := seen[strings.ToLower(name)]; ok {
				first, second := min(name, other), max(name, other)
				return fmt.Errorf("JSON: the field %s is there twice, as %s too", printable(second), printable(first))
			}
			seen[strings.ToLower(name)] = name
		}
	}
	return nil
}
