package apiserver_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/proxyd/apiserver"
)

// send is like do, but returns the response with its headers.
func (l *live) send(method, path, contentType string, body []byte) (*http.Response, string) {
	l.t.Helper()
	q, err := http.NewRequestWithContext(l.t.Context(), method, l.server.URL+path, bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	response, err := l.server.Client().Do(q)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return response, string(text)
}

func TestFieldValidation(t *testing.T) {
	l := newLive(t)
	const strange = `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "nme": "x"}, "spec": {"ports": [{"port": 80, "prt": 1}]}}`
	const warning = `299 - "unknown field \"metadata.nme\"", 299 - "unknown field \"spec.ports[0].prt\""`
	tests := []struct {
		method, mode, contentType, body string
		code                            int
		warning, message                string
	}{
		{"POST", "Strict", asJSON, strange, 400, "", `Service in version \"v1\" cannot be handled as a Service: strict decoding error: unknown field \"metadata.nme\", unknown field \"spec.ports[0].prt\"`},
		{"POST", "Silly", asJSON, strange, 400, "", "want Ignore, Warn or Strict"},
		{"POST", "Warn", asJSON, strange, 201, warning, ""},
		{"PUT", "", asJSON, strange, 200, warning, ""},
		{"PUT", "Ignore", asJSON, strange, 200, "", ""},
		{"PATCH", "Strict", asMerge, `{"spec": {"nothing": 1}}`, 400, "", `unknown field \"spec.nothing\"`},
		{"PATCH", "Strict", asMerge, `{"spec": {"sessionAffinity": "ClientIP"}}`, 200, "", ""}, // what is stored isn't the patch's
	}
	for _, tt := range tests {
		path := theWeb
		if tt.method == http.MethodPost {
			path = inTeam
		}
		response, body := l.send(tt.method, path+"?fieldValidation="+tt.mode, tt.contentType, []byte(tt.body))
		got := strings.Join(response.Header.Values("Warning"), ", ")
		if response.StatusCode != tt.code || got != tt.warning || !strings.Contains(body, tt.message) {
			t.Errorf("%s, %q: %d: %s\n%s", tt.method, tt.mode, response.StatusCode, body, got)
		}
	}
}

// protobuf returns an object as typed clients can send it.
func protobuf(t *testing.T, meta runtime.TypeMeta, object interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := object.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	body, err := (&runtime.Unknown{TypeMeta: meta, Raw: raw}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("k8s\x00"), body...)
}

func TestProtobufBodies(t *testing.T) {
	l := newLive(t)
	const asProtobuf = "application/vnd.kubernetes.protobuf"
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	body := protobuf(t, runtime.TypeMeta{Kind: "Service", APIVersion: "v1"}, service)
	if response, text := l.send("POST", inTeam, asProtobuf, body); response.StatusCode != http.StatusCreated || !strings.Contains(text, `"port":80`) {
		t.Errorf("%s: %s", response.Status, text)
	}
	for name, body := range map[string][]byte{
		"another kind": protobuf(t, runtime.TypeMeta{Kind: "Endpoints", APIVersion: "v1"}, service),
		"no envelope":  []byte("k8s\x00\xff"),
		"no object":    protobuf(t, runtime.TypeMeta{Kind: "Service", APIVersion: "v1"}, &runtime.Unknown{ContentType: "\xff"})[:30],
	} {
		if response, text := l.send("PUT", theWeb, asProtobuf, body); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s: %s", name, response.Status, text)
		}
	}
	stale := protobuf(t, runtime.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: new("1")}})
	if response, text := l.send("DELETE", theWeb, asProtobuf, stale); response.StatusCode != http.StatusConflict {
		t.Errorf("%s: %s", response.Status, text)
	}
}

// TestOpenAPI holds that each document is whole: nothing it refers to is
// missing, and every resource has a path and a schema.
func TestOpenAPI(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	if err := json.Unmarshal(ask(f, "GET", "/openapi/v3", "").Body.Bytes(), &index); err != nil || len(index.Paths) != 2 {
		t.Fatalf("%v: %v", index, err)
	}
	paths := 0
	for _, document := range index.Paths {
		var d struct {
			Paths      map[string]any
			Components struct{ Schemas map[string]any }
		}
		text := ask(f, "GET", document.ServerRelativeURL, "").Body.String()
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		paths += len(d.Paths)
		for ref := range strings.SplitSeq(text, `"#/components/schemas/`) {
			name, _, _ := strings.Cut(ref, `"`)
			if d.Components.Schemas[name] == nil && name != "{" {
				t.Errorf("%s has no schema %q", document.ServerRelativeURL, name)
			}
		}
	}
	if paths != 6 {
		t.Errorf("%d paths, want one for each resource", paths)
	}
}
