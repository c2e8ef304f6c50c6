package apiproxy

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/svcreg/svcreg/proxyd/apistatus"
	"github.com/svcreg/svcreg/registry"
)

var asPath = cmp.AllowUnexported(path{})

func ref(kind registry.Kind, namespace, name string) registry.Ref {
	return registry.Ref{Kind: kind, Key: registry.Key{Namespace: namespace, Name: name}}
}

func TestParsePath(t *testing.T) {
	service := ref(registry.KindService, "ns", "web")
	for _, tc := range []struct {
		name, raw, query string
		want             path
	}{
		{"v1beta1", "/api/v1beta1/proxy/services/web", "namespace=ns",
			path{to: service, id: "web", prefix: "/api/v1beta1/proxy/services/web"}},
		{"v1beta2, the default namespace", "/api/v1beta2/proxy/services/web/a/b", "x=1;y",
			path{to: ref(registry.KindService, "default", "web"), id: "web", prefix: "/api/v1beta2/proxy/services/web", rest: "/a/b"}},
		{"v1beta1 with ns", "/api/v1beta1/proxy/ns/ns/services/web/", "namespace=other",
			path{to: service, id: "web", prefix: "/api/v1beta1/proxy/ns/ns/services/web", rest: "/"}},
		{"v1beta1 pod", "/api/v1beta1/proxy/ns/ns/pods/p:80/x", "",
			path{to: ref(registry.KindPod, "ns", "p"), id: "p:80", port: "80", prefix: "/api/v1beta1/proxy/ns/ns/pods/p:80", rest: "/x"}},
		{"v1beta1 minion", "/api/v1beta1/proxy/minions/n/stats", "",
			path{to: ref(registry.KindNode, "", "n"), id: "n", prefix: "/api/v1beta1/proxy/minions/n", rest: "/stats"}},
		{"v1beta1 redirect", "/api/v1beta1/redirect/services/web", "namespace=ns",
			path{to: service, id: "web", redirect: true, prefix: "/api/v1beta1/redirect/services/web"}},
		{"v1beta3", "/api/v1beta3/proxy/namespaces/ns/services/web/", "",
			path{to: service, id: "web", prefix: "/api/v1beta3/proxy/namespaces/ns/services/web", rest: "/"}},
		{"old v1", "/api/v1/proxy/namespaces/ns/services/https:web:tls/x", "",
			path{to: service, id: "https:web:tls", scheme: "https", port: "tls", prefix: "/api/v1/proxy/namespaces/ns/services/https:web:tls", rest: "/x"}},
		{"old v1 redirect", "/api/v1/redirect/namespaces/ns/services/web/x", "",
			path{to: service, id: "web", redirect: true, prefix: "/api/v1/redirect/namespaces/ns/services/web", rest: "/x"}},
		{"old v1 node", "/api/v1/proxy/nodes/n/", "",
			path{to: ref(registry.KindNode, "", "n"), id: "n", prefix: "/api/v1/proxy/nodes/n", rest: "/"}},
		{"today", "/api/v1/namespaces/ns/services/web:http/proxy/a", "",
			path{to: service, id: "web:http", port: "http", prefix: "/api/v1/namespaces/ns/services/web:http/proxy", rest: "/a"}},
		{"today, nothing after proxy", "/api/v1/namespaces/ns/services/web/proxy", "",
			path{to: service, id: "web", prefix: "/api/v1/namespaces/ns/services/web/proxy"}},
		{"escaped colons", "/api/v1/namespaces/ns/services/https%3Aweb%3A/proxy/", "",
			path{to: service, id: "https:web:", scheme: "https", prefix: "/api/v1/namespaces/ns/services/https%3Aweb%3A/proxy", rest: "/"}},
		{"escapes, dots and empty segments in the rest", "/api/v1/namespaces/ns/pods/p/proxy/%2e%2F/../%00//x;y", "",
			path{to: ref(registry.KindPod, "ns", "p"), id: "p", prefix: "/api/v1/namespaces/ns/pods/p/proxy", rest: "/%2e%2F/../%00//x;y"}},
		{"node", "/api/v1/nodes/n:9100/proxy/metrics", "",
			path{to: ref(registry.KindNode, "", "n"), id: "n:9100", port: "9100", prefix: "/api/v1/nodes/n:9100/proxy", rest: "/metrics"}},
		{"the scheme form with one colon is a port", "/api/v1/namespaces/ns/services/https:web/proxy/", "",
			path{to: ref(registry.KindService, "ns", "https"), id: "https:web", port: "web", prefix: "/api/v1/namespaces/ns/services/https:web/proxy", rest: "/"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok, err := parsePath(tc.raw, tc.query)
			if !ok || err != nil {
				t.Fatalf("parsePath = %v, %v", ok, err)
			}
			if d := cmp.Diff(tc.want, got, asPath); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParsePathNot(t *testing.T) {
	for _, raw := range []string{
		"", "/", "/api", "/api/v1", "/apis/v1/namespaces/ns/services/web/proxy", "/api/v2/namespaces/ns/services/web/proxy",
		"/api/v1/namespaces/ns/services/web", "/api/v1/namespaces/ns/services/web/status", "/api/v1/namespaces/ns/services",
		"/api/v1/namespaces/ns/endpoints/web/proxy/", "/api/v1/services/web/proxy/", "/api/v1/namespaces/ns/nodes/n/proxy/",
		"/api/v1beta3/namespaces/ns/services/web/proxy/", "/api/v1/minions/n/proxy/", "/api/v1/proxy/services/web",
		"/api/v1beta3/proxy/ns/ns/services/web", "/api/v1beta1/proxy/namespaces/ns/services/web", "/api/v1beta3/proxy/minions/n",
		"/api/v1beta1/proxy/ns/ns/minions/n", "/api//v1/namespaces/ns/services/web/proxy/", "//api/v1/nodes/n/proxy/",
		"/api/v1/namespaces//services/web/proxy/", "/api/v1/namespaces/../services/web/proxy2/", "api/v1/nodes/n/proxy",
	} {
		if p, ok, err := parsePath(raw, ""); ok || err != nil {
			t.Errorf("%s is taken for %+v, %v", raw, p, err)
		}
	}
}

func TestParsePathBad(t *testing.T) {
	for raw, want := range map[string]string{
		"/api/v1/namespaces/ns/services/a:b:c:d/proxy/":   `invalid service request "a:b:c:d"`,
		"/api/v1/namespaces/ns/services/ftp:web:80/proxy": `invalid service request "ftp:web:80"`,
		"/api/v1/namespaces/ns/pods/:80/proxy/":           `invalid pod request ":80"`,
		"/api/v1/proxy/nodes/:/":                          `invalid node request ":"`,
		"/api/v1/redirect/namespaces/ns/services":         `invalid service request ""`,
	} {
		_, ok, err := parsePath(raw, "")
		var status *apistatus.Error
		if !ok || !errors.As(err, &status) || status.Status().Code != http.StatusBadRequest || status.Error() != want {
			t.Errorf("%s: %v, %v; want %s", raw, ok, err, want)
		}
	}
}

func TestRawPath(t *testing.T) {
	for _, tc := range []struct{ uri, path, want string }{
		{"/a%2Fb/%7e~?q=/", "/a/b/~~", "/a%2Fb/%7e~"},
		{"/é|{}", "/é|{}", "/é|{}"}, // no client should, but some do
		{"http://host/a%2F?x", "/a/", "/a%2F"},
		{"/a b", "/a b", "/a%20b"},
		{"/a#b", "/a#b", "/a%23b"},
		{"/cut/a", "/a", "/a"},
		{"*", "*", "*"},
	} {
		u := &url.URL{Path: tc.path}
		if strings.Contains(tc.want, "%2F") {
			u.RawPath = tc.want
		}
		r := &http.Request{RequestURI: tc.uri, URL: u}
		if got := rawPath(r); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.uri, got, tc.want)
		}
	}
}

// FuzzParsePath holds what follows from no form in particular: nothing is lost
// of a path, and only an object with a name is gone to.
func FuzzParsePath(f *testing.F) {
	f.Add("/api/v1/namespaces/ns/services/https:web:80/proxy/a%2fb", "namespace=x")
	f.Add("/api/v1beta1/proxy/ns/ns/services/web", "")
	f.Add("/api/v1/redirect/nodes/n/", "namespace=%zz")
	f.Fuzz(func(t *testing.T, raw, query string) {
		p, ok, err := parsePath(raw, query)
		switch {
		case !ok && (err != nil || p != path{}):
			t.Errorf("no path, but %+v, %v", p, err)
		case ok && p.prefix+p.rest != raw:
			t.Errorf("%q became %q and %q", raw, p.prefix, p.rest)
		case ok && p.rest != "" && p.rest[0] != '/':
			t.Errorf("the rest is %q", p.rest)
		case ok && err == nil && (p.to.Name == "" || (p.to.Namespace == "") != (p.to.Kind == registry.KindNode)):
			t.Errorf("goes to %v", p.to)
		}
	})
}

func FuzzRawPath(f *testing.F) {
	f.Add("/a%2fb c/\xff")
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := url.ParseRequestURI(uri)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL, r.RequestURI = u, uri
		if got := rawPath(r); strings.ContainsAny(got, " \r\n\x00#?") {
			t.Errorf("%q gives %q", uri, got)
		}
	})
}
