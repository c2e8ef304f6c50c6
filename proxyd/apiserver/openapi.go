package apiserver

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// openAPITypes are what clients call OpenAPI v2 as protobuf: those of today, and
// those up to 1.26.
var openAPITypes = []string{
	"application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
	"application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
}

// openAPIv2 answers with a document without schemas, as protobuf where that is
// asked for. A client then leaves it to the server to validate.
func openAPIv2(w http.ResponseWriter, q *http.Request) {
	accept := q.Header.Get("Accept")
	for _, name := range openAPITypes {
		if strings.Contains(accept, name) {
			w.Header().Set("Content-Type", name)
			_, _ = w.Write(openAPIProtobuf()) // the client has gone
			return
		}
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
