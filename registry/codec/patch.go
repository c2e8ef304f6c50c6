package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// patch returns the text of a JSON object of which some fields have changed,
// from the old tree to the next: what has not changed stays as it was written,
// byte for byte, with its place and the white space around it.
func patch(text []byte, old, next tree) ([]byte, error) {
	fields, err := placesOf(text)
	if err != nil {
		return nil, err
	}
	p := &patcher{text: text}
	for i := range fields {
		p.fields = append(p.fields, fields[i])
		f := &fields[i]
		v, stays := next[f.name]
		if !stays {
			continue
		}
		value := text[f.value:f.end]
		if !reflect.DeepEqual(old[f.name], v) {
			if value, err = patched(value, old[f.name], v); err != nil {
				return nil, err
			}
		}
		p.put(i, text[f.start:f.value], value)
	}
	for _, name := range slices.Sorted(maps.Keys(next)) {
		if _, had := old[name]; had {
			continue
		}
		value, err := encodeValue(next[name])
		if err != nil {
			return nil, err
		}
		key, err := encodeValue(name)
		if err != nil {
			return nil, err
		}
		p.put(len(fields), append(key, ':'), value)
	}
	return p.done(), nil
}

// patched returns the text of a value that has changed.
func patched(text []byte, old, next any) ([]byte, error) {
	was, ok1 := old.(map[string]any)
	is, ok2 := next.(map[string]any)
	if ok1 && ok2 {
		return patch(text, was, is)
	}
	list, ok1 := old.([]any)
	longer, ok2 := next.([]any)
	if ok1 && ok2 && len(longer) >= len(list) {
		return patchList(text, list, longer)
	}
	return encodeValue(next)
}

// patcher writes an object anew.
type patcher struct {
	text   []byte
	fields []fieldText // those that were met so far
	out    []byte
	begun  bool
}

// put writes a field, the i-th of the old text or a new one, in the manner of
// the old ones.
func (p *patcher) put(i int, key, value []byte) {
	switch {
	case !p.begun:
		p.out = append(p.out, p.text[:p.lead()]...)
	case i > 0 && i < len(p.fields):
		p.out = append(p.out, p.text[p.fields[i-1].end:p.fields[i].start]...)
	case len(p.fields) > 1:
		p.out = append(p.out, p.text[p.fields[0].end:p.fields[1].start]...)
	default:
		p.out = append(p.out, ',')
	}
	p.begun = true
	p.out = append(append(p.out, key...), value...)
}

// lead returns where the first field begins, or would.
func (p *patcher) lead() int {
	if len(p.fields) > 0 {
		return p.fields[0].start
	}
	return bytes.IndexByte(p.text, '{') + 1
}

// done writes what follows the last field.
func (p *patcher) done() []byte {
	if !p.begun {
		return []byte("{}")
	}
	end := p.lead()
	if n := len(p.fields); n > 0 {
		end = p.fields[n-1].end
	}
	return append(p.out, p.text[end:]...)
}

// fieldText says where a field of a JSON object stands in its text.
type fieldText struct {
	name              string
	start, value, end int
}

// placesOf finds the fields of the JSON object that text is.
func placesOf(text []byte) ([]fieldText, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("JSON: %v, %w: want an object", t, err)
	}
	var fields []fieldText
	for d.More() {
		before := int(d.InputOffset())
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("JSON: %w", err)
		}
		f := fieldText{start: before + bytes.IndexByte(text[before:], '"')}
		f.name, _ = name.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("JSON: %w", err)
		}
		f.end = int(d.InputOffset())
		f.value = f.end - len(value)
		fields = append(fields, f)
	}
	return fields, nil
}
