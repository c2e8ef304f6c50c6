package codec

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// yamlToJSON turns one YAML document into JSON. The YAML parser ends a document
// silently where its root ends, so whatever follows a root in braces or an
// indented one is looked for here: nothing that was written may get lost.
func yamlToJSON(data []byte) ([]byte, error) {
	first, indent := rootOf(data)
	if bytes.IndexByte([]byte("{[&!*"), first) >= 0 {
		return flowToJSON(data)
	}
	if err := checkIndent(data, indent); err != nil {
		return nil, err
	}
	return yaml.YAMLToJSONStrict(data)
}

// flowToJSON reads a document in braces as the value of a field, after which
// more is an error.
func flowToJSON(data []byte) ([]byte, error) {
	const field = "document"
	inside := append([]byte(field+": "), bytes.ReplaceAll(data, []byte("\n"), []byte("\n "))...)
	text, err := yaml.YAMLToJSONStrict(inside)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	return fields[field], nil
}

// checkIndent refuses a line that is indented less than the root.
func checkIndent(data []byte, indent int) error {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := bytes.TrimLeft(line, " \t\r\n")
		if len(text) > 0 && text[0] != '#' && len(line)-len(text) < indent {
			return fmt.Errorf("yaml: line %d: indented less than the document begins", number)
		}
	}
	return nil
}

// rootOf returns the first byte of the content after comments, and how far it
// is indented. There is none in a part that split would leave out.
func rootOf(data []byte) (first byte, indent int) {
	for line := range bytes.Lines(data) {
		if text := bytes.TrimLeft(line, " \t\r\n"); len(text) > 0 && text[0] != '#' {
			return text[0], len(line) - len(text)
		}
	}
	return 0, 0
}

// blankComments returns the text without the lines of comments that stand
// before its content. The number of lines stays.
func blankComments(text []byte) []byte {
	var blank []byte
	for line := range bytes.Lines(text) {
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && trimmed[0] != '#' {
			break
		}
		blank = append(blank, '\n')
		text = text[len(line):]
	}
	return append(blank, text...)
}
