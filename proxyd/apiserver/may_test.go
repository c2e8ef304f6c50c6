package apiserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apiserver"
)

// Whom May refuses something finds out what there is, and nothing of it.
func TestMay(t *testing.T) {
	may := func(q *http.Request, namespace string, write bool) bool {
		return q.Header.Get("User") == "ops" || namespace == "my-ns" && !write
	}
	f := newFixture(t, apiserver.Config{May: may}, "testdata/registry.yaml")
	tests := []struct {
		user, method, path string
		want               int
	}{
		{"", "GET", "/api/v1", 200},
		{"", "GET", "/api/v1/namespaces/my-ns/services", 200},
		{"", "GET", "/api/v1/namespaces/my-ns/services/web", 200},
		{"", "GET", "/api/v1/namespaces/my-ns/services?watch=1&timeoutSeconds=1", 200},
		{"", "GET", "/api/v1/namespaces/default/services", 403},
		{"", "GET", "/api/v1/namespaces/default/services?watch=1", 403},
		{"", "GET", "/api/v1/services", 403},
		{"", "GET", "/api/v1/nodes/node-1", 403},
		{"", "GET", "/api/v1/namespaces/my-ns", 403},
		{"", "DELETE", "/api/v1/namespaces/my-ns/services/web", 403},
		{"", "POST", "/api/v1/namespaces/my-ns/services", 403},
		{"ops", "GET", "/api/v1/services", 200},
		{"ops", "DELETE", "/api/v1/namespaces/my-ns/services/web", 405}, // there is no Store
	}
	for _, tt := range tests {
		t.Run(tt.user+" "+tt.method+" "+tt.path, func(t *testing.T) {
			q := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil)
			q.Header.Set("User", tt.user)
			w := httptest.NewRecorder()
			f.ServeHTTP(w, q)
			if w.Code != tt.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.want)
			}
			if forbidden := strings.Contains(w.Body.String(), `"reason":"Forbidden"`); forbidden != (tt.want == 403) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
