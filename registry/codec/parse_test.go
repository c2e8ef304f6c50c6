package codec

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// protobufService is a v1 Service my-ns/web with the cluster IP 10.0.0.9 and
// TCP port 80, as an apiserver stores it.
func protobufService(t testing.TB) []byte {
	t.Helper()
	d := mustParse(t, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"my-ns","uid":"1234"},
		"spec":{"clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9"],"ports":[{"protocol":"TCP","port":80,"targetPort":8080}],"ipFamilyPolicy":"SingleStack"}}`)
	d.original, d.changed = []byte(protobufMagic), true
	m := newMessage(registry.KindService, v1)
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := decodeStrictly(text, m); err != nil {
		t.Fatal(err)
	}
	value, err := marshalProtobuf(registry.KindService, v1, m)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func mustParse(t testing.TB, manifest string) *Document {
	t.Helper()
	documents, err := ParseDocuments("test", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) != 1 {
		t.Fatalf("%d documents, want one", len(documents))
	}
	return documents[0]
}

func TestParseDocuments(t *testing.T) {
	const a, b = `{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80}`, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"b","namespace":"my-ns"}}`
	both := []string{"Service default/a", "Service my-ns/b"}
	tests := []struct {
		name, data string
		want       []string
	}{
		{"nothing", "", nil},
		{"comments only", "# nothing\n---\n# here\n", nil},
		{"one JSON object", a, both[:1]},
		{"one after another", a + b, both},
		{"one a line", a + "\n" + b + "\n", both},
		{"array", "[" + a + "," + b + "]", both},
		{"array of arrays", "[[" + a + "],[" + b + "]]", both},
		{"JSON between separators", "---\n" + a + "\n---\n" + b + "\n---\n", both},
		{"byte order mark", "\uFEFF" + a, both[:1]},
		{"kind List", `{"kind":"List","apiVersion":"v1","items":[` + a + "," + b + `]}`, both},
		{"an empty List", `{"kind":"List","apiVersion":"v1","items":[]}`, nil},
		{"a List of nothing", `{"kind":"List","apiVersion":"v1"}`, nil},
		{"ServiceList", `{"kind":"ServiceList","apiVersion":"v1beta1","items":[{"id":"a","port":80},` + b + `]}`, both},
		{"YAML", "kind: Service\napiVersion: v1beta1\nid: a\nport: 80\n", both[:1]},
		{"YAML documents", "%YAML 1.1\n---\n# the first\nkind: Service\napiVersion: v1beta1\nid: a\n---\n\n--- # the next\nkind: Service\napiVersion: v1\nmetadata:\n  name: b\n  namespace: my-ns\n...\n", both},
		{"content after the separator", "--- {kind: Service, apiVersion: v1beta1, id: a}\n", both[:1]},
		{"YAML flow", "{kind: Service, apiVersion: v1beta1, id: a}", both[:1]},
		{"YAML list", "kind: List\napiVersion: v1\nitems:\n- kind: Service\n  apiVersion: v1beta1\n  id: a\n", both[:1]},
		{"YAML sequence", "- kind: Service\n  apiVersion: v1beta1\n  id: a\n", both[:1]},
		{"JSON after a comment", "# both\n\n" + a + "\n" + b, both},
		{"YAML flow over lines", "{kind: Service,\napiVersion: v1beta1,\nid: a,\nannotations: {note: 'two\n  lines'}\n}\n", both[:1]},
		{"indented YAML", "  kind: Service\n  apiVersion: v1beta1\n# aside\n  id: a\n", both[:1]},
		{"carriage returns", "kind: Service\r\napiVersion: v1beta1\r\nid: a\r\n---\r\nkind: Service\r\napiVersion: v1\r\nmetadata: {name: b, namespace: my-ns}\r\n", both},
		{"dashes inside a value", "kind: Service\napiVersion: v1beta1\nid: a\nannotations:\n  note: |\n    ---\n    not a separator\n", both[:1]},
		{"a cluster's own kinds", `{"kind":"Minion","apiVersion":"v1beta1","id":"n"}{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"}}{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"c"}}`,
			[]string{"Node n", "Node n", "ServiceCIDR c"}},
		{"protobuf", string(protobufService(t)), []string{"Service my-ns/web"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			documents, err := ParseDocuments("file", []byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range documents {
				got = append(got, d.Ref().String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseDocumentsErrors(t *testing.T) {
	const ok = `{"kind":"Service","apiVersion":"v1","metadata":{"name":"ok"}}`
	const versions = "want one of v1, v1beta3, v1beta2, v1beta1 for a Service"
	tests := []struct{ data, want string }{
		{ok + "\n{", "f: document 1 (line 1): JSON: line 2: unexpected EOF"},
		{"{\n\"kind\" x\"}", "f: document 1 (line 1): JSON: line 2: invalid character 'x' after object key"},
		{ok + "\n---\n\n7", "f: document 2 (line 2): 7: want an object with kind and apiVersion"},
		{"# two\n" + ok + "\n{", "f: document 1 (line 1): JSON: line 3: unexpected EOF"},
		{"{kind: Service, apiVersion: v1beta1, id: a}\n{kind: Pod}", "f: document 1 (line 1): JSON: line 1: invalid character 'k' looking for beginning of object key string"},
		{"&a {kind: Service, apiVersion: v1beta1, id: a}\n{kind: Pod}", "f: document 1 (line 1): yaml: line 1: did not find expected key"},
		{"  kind: Service\n  apiVersion: v1beta1\n  id: a\nport: 80\n", "f: document 1 (line 1): yaml: line 4: indented less than the document begins"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","ports":[{"port":80,"port":81}]}`, "f: document 1 (line 1): JSON: the field port is there twice"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"Port":81}`, "f: document 1 (line 1): Service default/a: JSON: the field port is there twice, as Port too"},
		{`{"kind":"Secret","apiVersion":"v1"}`, "f: document 1 (line 1): kind: Secret: want one of Service, Endpoints, EndpointSlice, Pod, Node, Namespace, ServiceCIDR, IPAddress"},
		{`{"apiVersion":"v1"}`, "f: document 1 (line 1): kind: missing: want one of Service, Endpoints, EndpointSlice, Pod, Node, Namespace, ServiceCIDR, IPAddress"},
		{`{"kind":"service","apiVersion":"v1"}`, "f: document 1 (line 1): kind: service: want one of Service, Endpoints, EndpointSlice, Pod, Node, Namespace, ServiceCIDR, IPAddress"},
		{`{"kind":"Service"}`, "f: document 1 (line 1): Service : apiVersion: missing: " + versions},
		{`{"kind":"Service","apiVersion":"v1beta9"}`, "f: document 1 (line 1): Service : apiVersion: v1beta9: " + versions},
		{`{"kind":"Service","apiVersion":"v1","id":"a"}`, "f: document 1 (line 1): Service : metadata.name: missing: want a name"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":7}`, "f: document 1 (line 1): Service : id: 7: want a name"},
		{"kind: Service\napiVersion: v1\nmetadata: {name: a, namespace: y}", "f: document 1 (line 1): Service a: metadata.namespace: true: want a string"},
		{`{"kind":"List","apiVersion":"v1","items":[7]}`, "f: document 1 (line 1): items[0]: 7: want an object"},
		{`{"kind":"List","apiVersion":"v1","items":7}`, "f: document 1 (line 1): items: 7: want a list of objects"},
		{`{"kind":"List","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]}`, "f: document 1 (line 1): kind: missing: want one of Service, Endpoints, EndpointSlice, Pod, Node, Namespace, ServiceCIDR, IPAddress"},
		{`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":7}}`, "f: Service default/a: spec.ports: a number: want a list"},
		{"kind: Service\nkind: Pod\n", `f: document 1 (line 1): yaml: unmarshal errors:` + "\n" + `  line 2: key "kind" already set in map`},
		{"k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret", "f: kind: Secret: want one of Service, Endpoints, EndpointSlice, Pod, Node, Namespace, ServiceCIDR, IPAddress"},
	}
	for _, tt := range tests {
		documents, err := ParseDocuments("f", []byte(tt.data))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q\n got %v\nwant %s", tt.data, err, tt.want)
		}
		if documents != nil {
			t.Errorf("%q gave documents beside the error", tt.data)
		}
	}
}

// The objects of the repository's examples are read and pass a writer's
// checks.
func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("../../examples/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if !slices.Contains([]string{".json", ".yaml", ".pb"}, filepath.Ext(path)) {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			documents, err := ParseDocuments(path, data)
			if err != nil {
				t.Fatal(err)
			}
			if len(documents) == 0 {
				t.Error("no documents")
			}
			for _, d := range documents {
				if err := d.Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// YAML with aliases must not grow beyond reason.
func TestParseYAMLBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		prev, name := string(rune('0'+i-1)), string(rune('0'+i))
		b.WriteString("a" + name + ": &a" + name + " [" + strings.Repeat("*a"+prev+",", 10) + "]\n")
	}
	if _, err := ParseDocuments("bomb", []byte(b.String())); err == nil {
		t.Error("it was taken")
	}
}

// A document knows where it is from, and what it was written in.
func TestDocumentOrigin(t *testing.T) {
	d := mustParse(t, `{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"portalIP":"x"}}`)
	if d.File() != "test" || d.APIVersion() != "v1beta3" || d.Protobuf() {
		t.Errorf("file %s, version %s, protobuf %t", d.File(), d.APIVersion(), d.Protobuf())
	}
	if _, err := d.Object(); err == nil || err.Error() != "test: Service default/a: spec.portalIP: x: want an IP address" {
		t.Errorf("%v", err)
	}
	if d := mustParse(t, string(protobufService(t))); !d.Protobuf() || d.APIVersion() != "v1" {
		t.Errorf("version %s, protobuf %t", d.APIVersion(), d.Protobuf())
	}
}

// A stored value is a document as it is, whatever it leaves out.
func TestParseValue(t *testing.T) {
	d, err := ParseValue(serviceRef, []byte(` { "port":80, "future":{"exact":1.10, "big":123456789012345678901234567890}, "html":"<&>" } `))
	if err != nil {
		t.Fatal(err)
	}
	if d.Ref() != serviceRef || d.APIVersion() != "v1beta1" {
		t.Errorf("%s in %s", d.Ref(), d.APIVersion())
	}
	got, err := d.Value()
	if want := `{"future":{"big":123456789012345678901234567890,"exact":1.10},"html":"<&>","port":80}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	for value, want := range map[string]string{
		`{"kind":"Pod"}`:                       "kind: Pod: want Service, as the key says",
		`{"id":"x","port":80,"port":81}`:       "JSON: the field port is there twice",
		`{"metadata":{},"spec":{"a":1,"A":1}}`: "JSON: the field a is there twice, as A too",
	} {
		if _, err := ParseValue(serviceRef, []byte(value)); err == nil || err.Error() != serviceRef.String()+": "+want {
			t.Errorf("%s: error %v, want %s", value, err, want)
		}
	}
	if _, err := ParseValue(serviceRef, []byte(`{"id":"x","labels":{"app":"a","App":"b"}}`)); err != nil {
		t.Errorf("labels: %v", err)
	}
}

func TestProtobufValueStays(t *testing.T) {
	value := protobufService(t)
	d := mustParse(t, string(value))
	if got, err := d.Value(); err != nil || string(got) != string(value) {
		t.Errorf("%v\n%s", err, base64.StdEncoding.EncodeToString(got))
	}
}
