package codec

import (
	"encoding/json"
	"fmt"
)

// Texts returns the objects of a file, as ParseDocuments reads it, as JSON: for
// objects that are not of a kind that a registry shares with Kubernetes. An
// error names the file, the document and what is wrong; there are no objects
// then.
func Texts(file string, data []byte) ([][]byte, error) {
	p := parser{file: file}
	if len(data) > MaxFileSize {
		return nil, p.wrap(fmt.Errorf("%d bytes: want at most %d", len(data), MaxFileSize))
	}
	var texts [][]byte
	for line, part := range split(data) {
		p.line = line
		values, err := partValues(part)
		if err != nil {
			return nil, p.wrap(err)
		}
		for _, v := range values {
			text, err := objectText(v)
			if err != nil {
				return nil, p.wrap(err)
			}
			texts = append(texts, text)
			p.documents = append(p.documents, nil) // which errors count
		}
	}
	return texts, nil
}

// objectText returns the JSON of a value that must be an object.
func objectText(v any) ([]byte, error) {
	if _, ok := v.(map[string]any); !ok {
		return nil, fmt.Errorf("%s: want an object", printable(fmt.Sprint(v)))
	}
	return json.Marshal(v)
}
