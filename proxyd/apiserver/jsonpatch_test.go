package apiserver

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOperations(t *testing.T) {
	bomb := `[{"op": "add", "path": "/a", "value": [1, 2]}` + strings.Repeat(`, {"op": "copy", "from": "/a", "path": "/a/-"}`, 40) + `]`
	tests := []struct{ name, object, patch, want, err string }{
		{"add a field", `{}`, `[{"op": "add", "path": "/a", "value": 1}]`, `{"a":1}`, ""},
		{"add an element", `{"a": [1, 2]}`, `[{"op": "add", "path": "/a/1", "value": 3}]`, `{"a":[1,3,2]}`, ""},
		{"append an element", `{"a": [1]}`, `[{"op": "add", "path": "/a/-", "value": 3}]`, `{"a":[1,3]}`, ""},
		{"remove", `{"a": {"b": 1, "c": 2}}`, `[{"op": "remove", "path": "/a/b"}]`, `{"a":{"c":2}}`, ""},
		{"remove an element", `{"a": [1, 2]}`, `[{"op": "remove", "path": "/a/0"}]`, `{"a":[2]}`, ""},
		{"escapes", `{"a/b": 1, "c~d": 2}`, `[{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/c~0d"}]`, `{}`, ""},
		{"move", `{"a": 1}`, `[{"op": "move", "from": "/a", "path": "/b"}]`, `{"b":1}`, ""},
		{"a copy stays apart", `{"a": {"b": 1}}`, `[{"op": "copy", "from": "/a", "path": "/c"}, {"op": "replace", "path": "/c/b", "value": 2}]`, `{"a":{"b":1},"c":{"b":2}}`, ""},
		{"test", `{"a": [1]}`, `[{"op": "test", "path": "/a", "value": [1]}]`, `{"a":[1]}`, ""},
		{"a test that fails", `{"a": 1}`, `[{"op": "test", "path": "/a", "value": 2}]`, "", "the test failed"},
		{"replace nothing", `{}`, `[{"op": "replace", "path": "/a", "value": 2}]`, "", `there is no "a"`},
		{"too far", `{"a": []}`, `[{"op": "add", "path": "/a/1", "value": 2}]`, "", "want an index from 0 to 0"},
		{"a strange index", `{"a": [1]}`, `[{"op": "remove", "path": "/a/00"}]`, "", "want an index"},
		{"below nothing", `{"a": 1}`, `[{"op": "add", "path": "/a/b", "value": 2}]`, "", "nothing to add"},
		{"no path", `{}`, `[{"op": "add", "path": "", "value": 2}]`, "", "want a path"},
		{"no operation", `{}`, `[{"op": "x", "path": "/a"}]`, "", "want add"},
		{"no value", `{}`, `[{"op": "add", "path": "/a"}]`, "", "value"},
		{"growth without end", `{}`, bomb, "", "want an object of at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var fields map[string]any
			var operations []operation
			for text, into := range map[string]any{tt.object: &fields, tt.patch: &operations} {
				if err := json.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			got, err := runOperations(fields, operations)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %s", err, tt.err)
				}
				return
			}
			text, _ := json.Marshal(got)
			if diff := cmp.Diff(tt.want, string(text)); diff != "" || err != nil {
				t.Errorf("(-want +got):\n%s%v", diff, err)
			}
		})
	}
}

// FuzzPatch holds that no patch of any sort makes the server panic.
func FuzzPatch(f *testing.F) {
	f.Add(`{"a": [1, {"b": 2}]}`, `[{"op": "copy", "from": "/a", "path": "/a/-"}]`)
	f.Add(`{"ports": [{"port": 1}]}`, `{"ports": [{"port": 1, "$patch": "delete"}, {"$patch": "replace"}]}`)
	f.Fuzz(func(_ *testing.T, object, patch string) {
		for _, sort := range []string{"application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"} {
			var fields map[string]any
			if json.Unmarshal([]byte(object), &fields) != nil || fields == nil {
				return
			}
			change, err := newPatcher(sort, []byte(patch))
			if err != nil {
				continue
			}
			if _, err := change(fields); err == nil {
				continue
			}
		}
	})
}

// FuzzPath holds that a path either is refused or leads to what it names.
func FuzzPath(f *testing.F) {
	f.Add("/api/v1/namespaces/my-ns/services/web")
	f.Add("/apis/discovery.k8s.io/v1/endpointslices")
	f.Add("/api/v1/namespaces/my-ns")
	f.Add("/api/v1beta1/ns/my-ns/minions/a")
	f.Fuzz(func(t *testing.T, path string) {
		target, err := parsePath(path, nil)
		if err != nil {
			return
		}
		path = strings.ReplaceAll(path, "minions", "nodes")
		if isFlat(target.version) {
			path += "default" // is where an object is that has no namespace
		}
		for _, name := range []string{target.resource.name, target.namespace, target.name, target.version} {
			if !strings.Contains(path, name) || strings.Contains(name, "/") {
				t.Errorf("%q leads to %q", path, name)
			}
		}
	})
}

// FuzzQuery holds that a query is refused or says what can be done.
func FuzzQuery(f *testing.F) {
	f.Add("limit=500&continue=eyJydiI6MSwiYWZ0ZXIiOiJhL2IifQ&resourceVersion=1&resourceVersionMatch=Exact")
	f.Add("watch=1&allowWatchBookmarks=true&timeoutSeconds=99999999999&fieldSelector=metadata.name%3Da&labelSelector=a+in+(b)")
	t := &target{resource: find("", "services"), version: "v1"}
	f.Fuzz(func(test *testing.T, text string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		o, err := parseOptions(query, t)
		if err != nil {
			return
		}
		if o.limit < 0 || o.timeout < 0 || o.timeout > maxTimeout*time.Second || o.revision < 0 {
			test.Errorf("%q: %+v", text, o)
		}
		if o.from == nil {
			return
		}
		if again, err := parsePosition(o.from.String()); err != nil || *again != *o.from {
			test.Errorf("%+v is read as %+v, %v", o.from, again, err)
		}
	})
}
