package apiserver

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// openAPIType is OpenAPI v2 as protobuf. Clients ask for it with an @ in the
// place of the last but one dot, too, which is no valid media type.
const openAPIType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

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
