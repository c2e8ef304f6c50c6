package apiserver_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apiserver"
)

// TestOpenAPIv2IsWhole holds that nothing that the document refers to is
// missing, that it has no words of v3, and that it says what can be tried first.
func TestOpenAPIv2IsWhole(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	text := ask(f, "GET", "/openapi/v2", "").Body.String()
	var d struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
		Definitions map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	for ref := range strings.SplitSeq(text, `"#/definitions/`) {
		name, _, _ := strings.Cut(ref, `"`)
		if d.Definitions[name] == nil && name != "{" {
			t.Errorf("there is no %q", name)
		}
	}
	for _, word := range []string{"oneOf", "allOf", "#/components"} {
		if strings.Contains(text, word) {
			t.Errorf("it says %q", word)
		}
	}
	patch := d.Paths["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]
	if len(patch.Parameters) != 2 || patch.Parameters[0].Name != "dryRun" || len(d.Paths["/api/v1/nodes/{name}"]["patch"].Parameters) != 0 {
		t.Errorf("services: %+v, nodes: %+v", patch, d.Paths["/api/v1/nodes/{name}"])
	}
}
