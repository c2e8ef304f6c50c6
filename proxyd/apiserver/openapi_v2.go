package apiserver

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// openAPIType is OpenAPI v2 as protobuf. Clients ask for it with an @ in the
// place of the last but one dot, too, which is no valid media type.
const openAPIType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

// openAPIv2 answers with one document for all groups, as protobuf where that is
// asked for. From it kubectl before 1.27 has its explanations, learns whether
// there are dry runs, and validates objects before it sends them.
func openAPIv2(w http.ResponseWriter, q *http.Request) {
	paths, components := jsonObject{}, schemas{}
	for _, r := range resources {
		r.describe(paths, components)
	}
	if strings.Contains(strings.ReplaceAll(q.Header.Get("Accept"), "@", "."), openAPIType) {
		w.Header().Set("Content-Type", openAPIType)
		_, _ = w.Write(openAPIProtobuf(paths, components)) // the client has gone
		return
	}
	definitions := jsonObject{}
	for name, s := range components {
		definitions[name] = schemaV2(s)
	}
	writeJSON(w, http.StatusOK, jsonObject{
		"swagger":     "2.0",
		"info":        jsonObject{"title": openAPITitle, "version": openAPIVersion},
		"paths":       pathsV2(paths),
		"definitions": definitions,
	})
}

// pathsV2 returns the paths of a document of OpenAPI v3 as v2 has them.
func pathsV2(paths jsonObject) jsonObject {
	older := jsonObject{}
	for path, methods := range paths {
		item := jsonObject{}
		for method, m := range methods.(jsonObject) {
			operation := maps.Clone(m.(jsonObject))
			operation["responses"] = jsonObject{"200": jsonObject{"description": "OK"}}
			if operation["parameters"] != nil {
				operation["parameters"] = parametersV2()
			}
			item[method] = operation
		}
		older[path] = item
	}
	return older
}

func parametersV2() []jsonObject {
	var parameters []jsonObject
	for _, name := range writeParameters {
		parameters = append(parameters, jsonObject{"name": name, "in": "query", "type": "string"})
	}
	return parameters
}

// schemaV2 returns a schema of OpenAPI v3, of those that we make, as v2 has it:
// it refers to others without a wrapper, and knows no choice between types.
func schemaV2(s jsonObject) jsonObject {
	older := maps.Clone(s)
	if all, ok := s["allOf"].([]jsonObject); ok {
		delete(older, "allOf")
		name, _ := strings.CutPrefix(all[0]["$ref"].(string), schemaRef)
		older["$ref"] = "#/definitions/" + name
	}
	if s["oneOf"] != nil {
		delete(older, "oneOf")
		older["type"] = "string"
	}
	for _, name := range []string{"items", "additionalProperties"} {
		if inner, ok := s[name].(jsonObject); ok {
			older[name] = schemaV2(inner)
		}
	}
	if properties, ok := s["properties"].(jsonObject); ok {
		inner := jsonObject{}
		for name, p := range properties {
			inner[name] = schemaV2(p.(jsonObject))
		}
		older["properties"] = inner
	}
	return older
}

// message is one of gnostic's OpenAPIv2.proto in the making.
type message []byte

func (m *message) text(field protowire.Number, text string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), text)
}

func (m *message) add(field protowire.Number, inner message) { m.text(field, string(inner)) }

// named adds something that has a name, the message's fields 1 and 2.
func (m *message) named(field protowire.Number, name string, value message) {
	var n message
	n.text(1, name)
	n.add(2, value)
	m.add(field, n)
}

// extensions adds an object's fields that are not of OpenAPI (NamedAny).
func (m *message) extensions(field protowire.Number, o jsonObject) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !strings.HasPrefix(name, "x-") {
			continue
		}
		var yaml message // as which JSON passes
		text, err := json.Marshal(o[name])
		if err != nil {
			panic(err) // texts
		}
		yaml.text(2, string(text))
		m.named(field, name, yaml)
	}
}

// openAPIProtobuf returns the message Document.
func openAPIProtobuf(paths jsonObject, components schemas) []byte {
	var document, info, all, definitions message
	info.text(1, openAPITitle)
	info.text(2, openAPIVersion)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		all.named(2, path, pathItem(paths[path].(jsonObject)))
	}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		definitions.named(1, name, schemaMessage(schemaV2(components[name])))
	}
	document.text(1, "2.0")
	document.add(2, info)
	document.add(8, all)
	document.add(9, definitions)
	return document
}

// pathItem returns the message PathItem.
func pathItem(methods jsonObject) message {
	var item message
	for _, method := range []struct {
		field protowire.Number
		name  string
	}{{2, "get"}, {3, "put"}, {5, "delete"}, {8, "patch"}} {
		operation, ok := methods[method.name].(jsonObject)
		if !ok {
			continue
		}
		var o, responses, response, answer message
		if operation["parameters"] != nil {
			for _, p := range parametersV2() {
				o.add(8, parameter(p))
			}
		}
		answer.text(1, "OK")
		response.add(1, answer)
		responses.named(1, "200", response)
		o.add(9, responses)
		o.extensions(13, operation)
		item.add(method.field, o)
	}
	return item
}

// parameter returns the message ParametersItem, of a query's parameter.
func parameter(p jsonObject) message {
	var query, other, parameter, item message
	query.text(2, p["in"].(string))
	query.text(4, p["name"].(string))
	query.text(6, p["type"].(string))
	other.add(3, query)
	parameter.add(2, other)
	item.add(1, parameter)
	return item
}

// schemaMessage returns the message Schema.
func schemaMessage(s jsonObject) message {
	var m message
	for _, f := range []struct {
		field protowire.Number
		name  string
	}{{1, "$ref"}, {2, "format"}, {4, "description"}} {
		if text, _ := s[f.name].(string); text != "" {
			m.text(f.field, text)
		}
	}
	if inner, ok := s["additionalProperties"].(jsonObject); ok {
		var item message
		item.add(1, schemaMessage(inner))
		m.add(21, item)
	}
	if name, ok := s["type"].(string); ok {
		var item message
		item.text(1, name)
		m.add(22, item)
	}
	if inner, ok := s["items"].(jsonObject); ok {
		var item message
		item.add(1, schemaMessage(inner))
		m.add(23, item)
	}
	if properties, ok := s["properties"].(jsonObject); ok {
		var all message
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			all.named(1, name, schemaMessage(properties[name].(jsonObject)))
		}
		m.add(25, all)
	}
	m.extensions(31, s)
	return m
}
