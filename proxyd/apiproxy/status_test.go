package apiproxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
)

func TestStatus(t *testing.T) {
	h := newProxy(t, manifests, func(c *Config) {
		c.May = func(_ *http.Request, r registry.Ref) bool { return r.Name != "going" }
		c.AllowAddresses = nil
	})
	const unavailable = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"no endpoints available for service \"hollow\"","reason":"ServiceUnavailable","code":503}` + "\n"
	for _, tc := range []struct {
		name, path string
		code       int
		body       string
	}{
		{"no endpoints", "/api/v1/namespaces/ns/services/hollow/proxy/", 503, unavailable},
		{"no endpoints to redirect to", "/api/v1/redirect/namespaces/ns/services/hollow", 503, unavailable},
		{"no service", "/api/v1/namespaces/ns/services/nobody/proxy/", 404, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"nobody\" not found","reason":"NotFound","details":{"name":"nobody","kind":"services"},"code":404}` + "\n"},
		{"bad form", "/api/v1/namespaces/ns/services/a:b:c:d/proxy/", 400, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"invalid service request \"a:b:c:d\"","reason":"BadRequest","code":400}` + "\n"},
		{"forbidden", "/api/v1/namespaces/ns/services/going/proxy/", 403, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"going\" is forbidden: it may not be proxied to","reason":"Forbidden","details":{"name":"going","kind":"services"},"code":403}` + "\n"},
		{"another path", "/api/v1/pods", 404, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","code":404}` + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+tc.path, nil)
			res, body := h.do(t, r)
			if res.StatusCode != tc.code || body != tc.body || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-cache, private" {
				t.Errorf("%s %s\n got %s\nwant %s", res.Status, res.Header.Get("Content-Type"), body, tc.body)
			}
		})
	}
}

func TestStatusMethods(t *testing.T) {
	h := newProxy(t, manifests)
	for _, method := range []string{http.MethodTrace, http.MethodConnect} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/ns/services/only/proxy/", nil)
		r.Method = method
		if h.Config.Handler.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestUnreachable(t *testing.T) {
	dead := refused(t)
	h := newProxy(t, serviceOf(dead))
	res, body := h.get(t, "/")
	if want := `"message":"error trying to reach service: dial tcp ` + dead + `: connect: connection refused"`; res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, want) {
		t.Errorf("%s %s, want %s", res.Status, body, want)
	}
}

func TestResponseTimeout(t *testing.T) {
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(c *Config) { c.ResponseTimeout = 20 * time.Millisecond })
	if res, body := h.get(t, "/"); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "timeout awaiting response headers") {
		t.Errorf("%s %s", res.Status, body)
	}
}

func TestOther(t *testing.T) {
	h := newProxy(t, manifests, func(c *Config) {
		c.Other = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) })
	})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/api/v1/services", nil)
	if res, _ := h.do(t, r); res.StatusCode != 299 {
		t.Error(res.Status)
	}
}
