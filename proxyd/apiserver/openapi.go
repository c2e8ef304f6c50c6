package apiserver

import (
	"net/http"
	"reflect"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// openAPIType is OpenAPI v2 as protobuf. Clients ask for it with an @ in the
// place of the last but one dot, too, which is no valid media type.
const openAPIType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

// openAPIv3 lists the documents that there are, one for each group. kubectl
// (since 1.27) has its explanations from them.
func openAPIv3() jsonObject {
	paths := jsonObject{}
	for _, group := range groupNames {
		path := strings.TrimPrefix(groupPath(group), "/")
		paths[path] = jsonObject{"serverRelativeURL": "/openapi/v3/" + path}
	}
	return jsonObject{"paths": paths}
}

// openAPIGroup answers with the document of a group. It is made anew each
// time: it is seldom asked for, and large.
func openAPIGroup(group string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		paths, components := jsonObject{}, schemas{}
		for _, r := range resources {
			if r.group == group {
				r.describe(paths, components)
			}
		}
		writeJSON(w, http.StatusOK, jsonObject{
			"openapi":    "3.0.0",
			"info":       jsonObject{"title": openAPITitle, "version": openAPIVersion},
			"paths":      paths,
			"components": jsonObject{"schemas": components},
		})
	}
}

// describe adds the path of the resource's objects and what they look like.
func (r *resource) describe(paths jsonObject, components schemas) {
	kind := jsonObject{"group": r.group, "version": "v1", "kind": r.kind.String()}
	t := reflect.TypeOf(r.make()).Elem()
	ref := components.add(t)
	components[schemaName(t)]["x-kubernetes-group-version-kind"] = []jsonObject{kind}

	answer := jsonObject{"200": jsonObject{"description": "OK", "content": jsonObject{"application/json": jsonObject{"schema": ref}}}}
	methods := jsonObject{"get": jsonObject{"x-kubernetes-group-version-kind": kind, "responses": answer}}
	if r.writable() {
		parameters := []jsonObject{{"name": "fieldValidation", "in": "query", "schema": jsonObject{"type": "string"}}}
		for _, method := range []string{"put", "patch", "delete"} {
			methods[method] = jsonObject{"x-kubernetes-group-version-kind": kind, "responses": answer, "parameters": parameters}
		}
	}
	scope := "/"
	if r.namespaced() {
		scope = "/namespaces/{namespace}/"
	}
	paths[groupPath(r.group)+scope+r.name+"/{name}"] = methods
}

// openAPIv2 answers with a document without schemas, as protobuf where that is
// asked for. A client then leaves it to the server to validate.
func openAPIv2(w http.ResponseWriter, q *http.Request) {
	if strings.Contains(strings.ReplaceAll(q.Header.Get("Accept"), "@", "."), openAPIType) {
		w.Header().Set("Content-Type", openAPIType)
		_, _ = w.Write(openAPIProtobuf()) // the client has gone
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"swagger": "2.0",
		"info":    map[string]string{"title": openAPITitle, "version": openAPIVersion},
		"paths":   map[string]any{},
	})
}

const openAPITitle, openAPIVersion = "svcreg", "v" + emulatedMajor + "." + emulatedMinor + ".0"

// openAPIProtobuf returns the message openapi.v2.Document (gnostic's
// OpenAPIv2.proto).
func openAPIProtobuf() []byte {
	const swagger, info, paths = 1, 2, 8 // of Document
	const title, version = 1, 2          // of Info
	about := appendText(appendText(nil, title, openAPITitle), version, openAPIVersion)
	document := appendText(nil, swagger, "2.0")
	document = appendText(document, info, string(about))
	return appendText(document, paths, "")
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}
