package proxyd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// FileError says what is wrong in a configuration file.
type FileError struct {
	// File is the file's name, Key the setting's; the key is empty where the
	// file as a whole can't be read.
	File, Key string
	Err       error
}

// Error names the file and the key.
func (e *FileError) Error() string {
	if e.Key == "" {
		return e.File + ": " + e.Err.Error()
	}
	return e.File + ": " + e.Key + ": " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// Load sets what the content of a configuration file says: a YAML mapping
// from names of settings to a word, or to a list where a setting takes
// several. Every error is a FileError; the first ends the reading.
func Load(settings []Setting, file string, content []byte) error {
	var values map[string]any
	if err := yaml.UnmarshalStrict(content, &values); err != nil {
		return &FileError{File: file, Err: fmt.Errorf("want YAML, one \"setting: value\" a line: %s", oneLine(err))}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(settings, func(s Setting) bool { return s.Name == key })
		if i < 0 {
			return &FileError{file, key, errors.New("no such setting; want " + known(settings))}
		}
		word, err := scalar(values[key], settings[i].Value)
		if err == nil {
			err = settings[i].Value.Set(word)
		}
		if err != nil {
			return &FileError{file, key, err}
		}
	}
	return nil
}

// oneLine returns an error of the YAML package, which may fill several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// known lists the settings.
func known(settings []Setting) string {
	var names []string
	for _, s := range settings {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// scalar returns a value of the file as its setting's text.
func scalar(v any, target Value) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case []any:
		return joined(v, target)
	}
	return "", fmt.Errorf("want %s", cmp.Or(target.Type(), "a value"))
}

// joined returns a list of the file as its setting's text.
func joined(items []any, target Value) (string, error) {
	if kind := target.Type(); !strings.HasSuffix(kind, "s") {
		return "", fmt.Errorf("want one value, a %s, not a list", kind)
	}
	var words []string
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return "", fmt.Errorf("%v: want a list of %s", item, target.Type())
		}
		words = append(words, s)
	}
	return strings.Join(words, ","), nil
}
