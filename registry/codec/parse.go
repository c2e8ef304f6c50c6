package codec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// MaxFileSize is the most that ParseDocuments reads, in bytes.
const MaxFileSize = 64 << 20

// ParseDocuments reads the objects of a file: JSON (one object, several after
// another, arrays, lists), YAML (documents between lines of ---), or one value
// of Kubernetes protobuf. Kind and apiVersion must be there and known. An
// error names the file, the document and the field; there are no documents
// then.
func ParseDocuments(file string, data []byte) ([]*Document, error) {
	p := parser{file: file}
	if len(data) > MaxFileSize {
		return nil, p.wrap(fmt.Errorf("%d bytes: want at most %d", len(data), MaxFileSize))
	}
	if isProtobuf(data) || bytes.HasPrefix(data, []byte(encryptedPrefix)) {
		return p.protobuf(data)
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	for line, part := range split(data) {
		p.line = line
		if err := p.part(part); err != nil {
			return nil, err
		}
	}
	return p.documents, nil
}

// parser collects the documents of one file.
type parser struct {
	file      string
	line      int // where the part begins that is being read
	documents []*Document
}

// wrap says in which file, and by number in which document, an error is.
func (p *parser) wrap(err error) error {
	if p.line > 0 {
		err = fmt.Errorf("document %d (line %d): %w", len(p.documents)+1, p.line, err)
	}
	if p.file != "" {
		return fmt.Errorf("%s: %w", p.file, err)
	}
	return err
}

// part reads what stands between two separators: JSON values, or one YAML
// document. JSON is tried first where it looks like it.
func (p *parser) part(data []byte) error {
	values, err := partValues(data)
	if err != nil {
		return p.wrap(err)
	}
	return p.values(values)
}

func partValues(data []byte) ([]any, error) {
	var asJSON error
	if first, _ := rootOf(data); first == '{' || first == '[' {
		var values []any
		if values, asJSON = jsonValues(data); values != nil || asJSON == nil {
			return values, asJSON
		}
	}
	text, err := yamlToJSON(data)
	if err != nil {
		return nil, cmp.Or(asJSON, err)
	}
	return jsonValues(text)
}

// jsonValues reads JSON values that stand one after another.
func jsonValues(text []byte) ([]any, error) {
	var values []any
	text = blankComments(text)
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return values, twice(text)
		case err != nil:
			return nil, jsonSyntax(text, err)
		}
		values = append(values, v)
	}
}

// jsonSyntax says in which line JSON is wrong, counted from where the document
// begins; the last one where the text ends too early.
func jsonSyntax(text []byte, err error) error {
	offset := len(text)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = min(int(syntax.Offset), len(text))
	}
	return fmt.Errorf("JSON: line %d: %w", 1+bytes.Count(text[:offset], []byte("\n")), err)
}

// values adds what JSON values hold. Arrays and lists are opened; null is an
// empty document.
func (p *parser) values(values []any) error {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
		case []any:
			if err := p.values(v); err != nil {
				return err
			}
		case map[string]any:
			if err := p.object(v); err != nil {
				return err
			}
		default:
			return p.wrap(fmt.Errorf("%s: want an object with kind and apiVersion", printable(fmt.Sprint(v))))
		}
	}
	return nil
}

// object adds an object, or those of a list.
func (p *parser) object(t tree) error {
	kind, isList := strings.CutSuffix(t.text("kind"), "List")
	if !isList {
		return p.document(t)
	}
	items, ok := t.get("items").([]any)
	if !ok && t.has("items") {
		return p.wrap(&FieldError{Field: "items", Value: printable(fmt.Sprint(t.get("items"))), Want: "a list of objects"})
	}
	for i, item := range items {
		o, ok := item.(map[string]any)
		if !ok {
			return p.wrap(&FieldError{Field: index("items", i), Value: printable(fmt.Sprint(item)), Want: "an object"})
		}
		inherit(o, kind, t.text("apiVersion"))
		if err := p.document(o); err != nil {
			return err
		}
	}
	return nil
}

// inherit gives an item what it may leave out because its list says it.
func inherit(item tree, kind, version string) {
	if kind == "" {
		return // a List of anything
	}
	if !item.has("kind") {
		item.set("kind", kind)
	}
	if !item.has("apiVersion") {
		item.set("apiVersion", version)
	}
}

// document adds one object of a known kind and version.
func (p *parser) document(t tree) error {
	h := header{Kind: t.text("kind"), APIVersion: t.text("apiVersion")}
	kind, err := h.strictVersion()
	if err != nil {
		return p.wrap(err)
	}
	d := &Document{file: p.file, version: h.APIVersion, tree: t}
	if err := d.readKey(kind); err != nil {
		return p.wrap(err)
	}
	if err := t.twiceInAnyCase(); err != nil {
		return p.wrap(fmt.Errorf("%s: %w", d.ref, err))
	}
	c := newConversion(p.file, d.ref)
	if c.readTree(d) == nil {
		return c.err()
	}
	p.documents = append(p.documents, d)
	return nil
}

// readKey reads which object a document is from what it says of itself.
func (d *Document) readKey(k registry.Kind) error {
	d.ref.Kind = k
	place, field := d.tree, "id"
	if familyOf(d.version) == nested {
		place, _ = d.tree.peek("metadata")
		field = "name"
	}
	name, ok := place.get(field).(string)
	if !ok || name == "" {
		return &FieldError{Ref: d.ref, Field: namesIn(d.version)("metadata.name"), Value: shown(place.get(field)), Want: "a name"}
	}
	d.ref.Name = name
	if !Namespaced(k) {
		return nil
	}
	if d.ref.Namespace, ok = place.get("namespace").(string); !ok && place.has("namespace") {
		return &FieldError{Ref: d.ref, Field: namesIn(d.version)("metadata.namespace"), Value: shown(place.get("namespace")), Want: "a string"}
	}
	if d.ref.Namespace == "" {
		d.ref.Namespace = "default"
	}
	return nil
}

// shown returns a field as an error shows it; nothing for one that is absent.
func shown(v any) string {
	if v == nil || v == "" {
		return ""
	}
	return fmt.Sprint(v)
}

// protobuf reads a file that is one value. Which object it is only the value
// itself says.
func (p *parser) protobuf(data []byte) ([]*Document, error) {
	c := newConversion(p.file, registry.Ref{})
	if !isProtobuf(data) {
		return nil, p.wrap(ErrEncrypted)
	}
	u := c.readEnvelope(data)
	if u == nil {
		return nil, c.err()
	}
	h := header{Kind: u.Kind, APIVersion: u.APIVersion}
	var err error
	if c.ref.Kind, err = h.strictVersion(); err != nil {
		return nil, p.wrap(err)
	}
	d := c.document(data)
	if d == nil {
		return nil, c.err()
	}
	if err := d.readKey(c.ref.Kind); err != nil {
		return nil, p.wrap(err)
	}
	return []*Document{d}, nil
}
