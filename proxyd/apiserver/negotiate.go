package apiserver

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// form is how an answer is to be written.
type form struct {
	table bool
	// include is how much of an object comes with its row.
	include metav1.IncludeObjectPolicy
}

// negotiate finds the first form of the Accept header that can be had.
func negotiate(q *http.Request) (form, error) {
	f := form{include: metav1.IncludeObjectPolicy(q.URL.Query().Get("includeObject"))}
	header := strings.Join(q.Header.Values("Accept"), ",")
	if header == "" {
		return f, nil
	}
	for part := range strings.SplitSeq(header, ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil || kind != "application/json" && kind != "application/*" && kind != "*/*" {
			continue
		}
		switch {
		case params["as"] == "":
			return f, nil
		case params["as"] == "Table" && params["g"] == "meta.k8s.io" && params["v"] == "v1":
			f.table = true
			return f, nil
		}
	}
	return f, errNotAcceptable()
}

// writeJSON answers with one object.
func writeJSON(w http.ResponseWriter, code int, content any) {
	text, err := json.Marshal(content)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-cache, private")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client has gone
}
