package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// patchList is patch for a list that has not become shorter: its elements stay
// as they were written where they have not changed. New ones are at the end.
func patchList(text []byte, old, next []any) ([]byte, error) {
	places, err := elementsOf(text)
	if err != nil {
		return nil, err
	}
	between, end := []byte{','}, bytes.IndexByte(text, '[')+1
	if len(places) > 1 {
		between = text[places[0].end:places[1].value]
	}
	out := append([]byte(nil), text[:end]...)
	for i, v := range next {
		var value []byte
		switch {
		case i >= len(places):
			if i > 0 {
				out = append(out, between...)
			}
			value, err = encodeValue(v)
		default:
			p := places[i]
			out = append(out, text[end:p.value]...)
			if value, end = text[p.value:p.end], p.end; !reflect.DeepEqual(old[i], v) {
				value, err = patched(value, old[i], v)
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, value...)
	}
	return append(out, text[end:]...), nil
}

// elementsOf finds the elements of the JSON list that text is.
func elementsOf(text []byte) ([]fieldText, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("JSON: %v, %w: want a list", t, err)
	}
	var elements []fieldText
	for d.More() {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("JSON: %w", err)
		}
		end := int(d.InputOffset())
		elements = append(elements, fieldText{value: end - len(value), end: end})
	}
	return elements, nil
}
