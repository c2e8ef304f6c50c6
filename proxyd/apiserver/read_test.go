package apiserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
)

// ask sends one request and returns the answer.
func ask(h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	w, q := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
	if accept != "" {
		q.Header.Set("Accept", accept)
	}
	h.ServeHTTP(w, q)
	return w
}

func TestErrors(t *testing.T) {
	f := newFixture(t, apiserver.Config{Patience: time.Millisecond}, "testdata/registry.yaml")
	const noPath = "the server could not find the requested resource"
	tests := []struct {
		name, method, path, accept string
		code                       int
		reason                     metav1.StatusReason
		message                    string
	}{
		{name: "nothing", path: "/nothing", code: 404, reason: "NotFound", message: noPath},
		{name: "no resource", path: "/api/v1/", code: 200},
		{name: "another version", path: "/api/v9/services", code: 404, reason: "NotFound", message: noPath},
		{name: "the wrong group", path: "/api/v1/endpointslices", code: 404, reason: "NotFound", message: noPath},
		{name: "no namespace", path: "/api/v1/services/web", code: 404, reason: "NotFound", message: noPath},
		{name: "an empty name", path: "/api/v1/namespaces/my-ns/services/", code: 404, reason: "NotFound", message: noPath},
		{name: "nodes have none", path: "/api/v1/namespaces/my-ns/nodes", code: 404, reason: "NotFound", message: noPath},
		{name: "a subresource", path: "/api/v1/namespaces/my-ns/services/web/status", code: 404, reason: "NotFound", message: noPath},
		{name: "no object", path: "/api/v1/namespaces/my-ns/services/nothere", code: 404, reason: "NotFound", message: `services "nothere" not found`},
		{name: "no slice", path: "/apis/discovery.k8s.io/v1/namespaces/my-ns/endpointslices/a", code: 404, reason: "NotFound", message: `endpointslices.discovery.k8s.io "a" not found`},
		{name: "a kubelet's", path: "/api/v1/namespaces/my-ns/pods/web-1/exec", code: 501, reason: "MethodNotAllowed", message: "svcreg has no kubelets: exec is out of reach"},
		{name: "a write", method: "DELETE", path: "/api/v1/namespaces/my-ns/services/web", code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource"},
		{name: "a write to discovery", method: "POST", path: "/version", code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource"},
		{name: "protobuf only", path: "/api/v1/services", accept: "application/vnd.kubernetes.protobuf", code: 406, reason: "NotAcceptable", message: "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1"},
		{name: "another table", path: "/api/v1/services", accept: "application/json;as=Table;g=meta.k8s.io;v=v1beta1", code: 406, reason: "NotAcceptable", message: "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1"},
		{name: "another table or else", path: "/api/v1/services", accept: "application/json;as=Table;g=meta.k8s.io;v=v1beta1, application/json", code: 200},
		{name: "protobuf or else", path: "/api/v1/services", accept: "application/vnd.kubernetes.protobuf, */*", code: 200},
		{name: "a bad label selector", path: "/api/v1/services?labelSelector=a%3D%3D%3D", code: 400, reason: "BadRequest", message: "unable to parse labelSelector: unable to parse requirement: found '=', expected: identifier"},
		{name: "an unknown field", path: "/api/v1/services?fieldSelector=spec.x%3D1", code: 400, reason: "BadRequest", message: "field label not supported: spec.x"},
		{name: "a bad limit", path: "/api/v1/services?limit=x", code: 400, reason: "BadRequest", message: `limit: Invalid value: "x": want a number from 0`},
		{name: "a bad continue", path: "/api/v1/services?continue=x", code: 400, reason: "BadRequest", message: "continue key is not valid: want one that a list of this server gave"},
		{name: "an old revision", path: "/api/v1/services?resourceVersion=3&resourceVersionMatch=Exact", code: 410, reason: "Expired", message: "too old resource version: 3 (10)"},
		{name: "no older than an old revision", path: "/api/v1/services?resourceVersion=3", code: 200},
		{name: "a revision to come", path: "/api/v1/services?resourceVersion=11", code: 504, reason: "Timeout", message: "Timeout: Too large resource version: 11, current: 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			w := ask(f, method, tt.path, tt.accept)
			if w.Code != tt.code {
				t.Fatalf("code %d, want %d: %s", w.Code, tt.code, w.Body)
			}
			if tt.code == http.StatusOK {
				return
			}
			var got metav1.Status
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if after := w.Header().Get("Retry-After"); (after != "") != (tt.code == http.StatusGatewayTimeout) {
				t.Errorf("to be tried again after %q", after)
			}
			if got.Kind != "Status" || got.APIVersion != "v1" || got.Status != "Failure" || int(got.Code) != tt.code || got.Reason != tt.reason || got.Message != tt.message {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestNothingIsKnownYet(t *testing.T) {
	s := apiserver.New(apiserver.Config{Patience: time.Millisecond})
	for path, want := range map[string]int{"/api/v1/services": 503, "/api/v1/services?watch=1": 503, "/readyz": 503, "/livez": 200, "/api/v1": 200} {
		if w := ask(s, http.MethodGet, path, ""); w.Code != want {
			t.Errorf("%s: code %d, want %d", path, w.Code, want)
		}
	}
}

// TestPages holds on to the first page's snapshot while the registry changes.
func TestPages(t *testing.T) {
	f := newFixture(t, apiserver.Config{History: 2}, "testdata/registry.yaml")
	var names []string
	var first string
	path := "/api/v1/services?limit=2"
	for n := int64(3); ; n -= 2 {
		var list struct {
			Metadata metav1.ListMeta
			Items    []struct{ Metadata metav1.ObjectMeta }
		}
		w := ask(f, http.MethodGet, path, "")
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%v: %s", err, w.Body)
		}
		for _, item := range list.Items {
			names = append(names, item.Metadata.Name)
		}
		if list.Metadata.ResourceVersion != "10" {
			t.Errorf("revision %s, want that of the first page", list.Metadata.ResourceVersion)
		}
		if list.Metadata.Continue == "" {
			break
		}
		if left := list.Metadata.RemainingItemCount; left == nil || *left != n {
			t.Errorf("remaining items: %v, want %d", left, n)
		}
		path = "/api/v1/services?limit=2&continue=" + list.Metadata.Continue
		if first == "" {
			first = path
			f.apply(registry.Put(service("my-ns", "new", 1)))
		}
	}
	if diff := cmp.Diff("headless outside public old web", strings.Join(names, " ")); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for port := range uint16(2) {
		f.apply(registry.Put(service("my-ns", "new", port+2)))
	}
	if w := ask(f, http.MethodGet, first, ""); w.Code != http.StatusGone {
		t.Errorf("a page of a forgotten snapshot: %d, want 410", w.Code)
	}
}

func TestGetIsV1(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	got := ask(f, http.MethodGet, "/api/v1/namespaces/my-ns/services/old", "").Body.String()
	want := `{"kind":"Service","apiVersion":"v1","metadata":{"name":"old","namespace":"my-ns","resourceVersion":"2","labels":{"team":"red"}},` +
		`"spec":{"ports":[{"protocol":"TCP","port":6379,"targetPort":6379}],"selector":{"app":"redis"},"clusterIP":"10.0.0.12","clusterIPs":["10.0.0.12"],` +
		`"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"},` +
		`"status":{"loadBalancer":{}}}` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSelectors(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	tests := []struct{ path, want string }{
		{"/api/v1/services?labelSelector=team+in+(red,blue)", "public old web"},
		{"/api/v1/services?labelSelector=!team", "headless outside"},
		{"/api/v1/services?fieldSelector=spec.clusterIP%3D10.0.0.12", "old"},
		{"/api/v1/services?fieldSelector=spec.clusterIP%3DNone", "headless"},
		{"/api/v1/services?fieldSelector=metadata.namespace!%3Dmy-ns", "headless outside public"},
		{"/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1,status.phase%3DRunning", "web-1"},
		{"/api/v1/pods?fieldSelector=status.podIP%3D10.244.1.9", ""},
		{"/apis/discovery.k8s.io/v1/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb", "web-abc"},
		{"/api/v1/namespaces?fieldSelector=metadata.name%3Dmy-ns", "my-ns"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			var list struct {
				Items []struct{ Metadata metav1.ObjectMeta }
			}
			w := ask(f, http.MethodGet, tt.path, "")
			if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%v: %s", err, w.Body)
			}
			var names []string
			for _, item := range list.Items {
				names = append(names, item.Metadata.Name)
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLists(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	f.apply(registry.Put(service("a", "x", 1)), registry.Put(service("a-b", "x", 1)), registry.Put(service("a", "b", 1)), registry.Put(service("a0", "a", 1)))
	tests := []struct{ name, path, want, rest string }{
		{"in etcd's order", "/api/v1/services?limit=4", "a-b/x a/b a/x a0/a", "5"},
		{"nobody has counted the rest", "/api/v1/services?limit=1&labelSelector=!team", "a-b/x", "unknown"},
		{"the oldest have no pages", "/api/v1beta1/services?limit=1&labelSelector=team", "default/public my-ns/old my-ns/web", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var list struct {
				Metadata metav1.ListMeta
				Items    []struct {
					Metadata      metav1.ObjectMeta
					Namespace, ID string
				}
			}
			if err := json.Unmarshal(ask(f, http.MethodGet, tt.path, "").Body.Bytes(), &list); err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, item := range list.Items {
				keys = append(keys, item.Metadata.Namespace+item.Namespace+"/"+item.Metadata.Name+item.ID)
			}
			rest := "none"
			if n := list.Metadata.RemainingItemCount; n != nil {
				rest = strconv.FormatInt(*n, 10)
			} else if list.Metadata.Continue != "" {
				rest = "unknown"
			}
			if got := strings.Join(keys, " "); got != tt.want || rest != tt.rest {
				t.Errorf("got %s, rest %s; want %s, %s", got, rest, tt.want, tt.rest)
			}
		})
	}
}

// TestNamespaceOfServices is about a namespace that has services, but no object
// of its own.
func TestNamespaceOfServices(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	for name, want := range map[string]int{"default": http.StatusOK, "my-ns": http.StatusOK, "nothing": http.StatusNotFound} {
		if w := ask(f, http.MethodGet, "/api/v1/namespaces/"+name, ""); w.Code != want {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// TestVerbs holds that nobody is told of writes that can't be.
func TestVerbs(t *testing.T) {
	l := newLive(t)
	for _, tt := range []struct {
		name   string
		server http.Handler
		want   int
	}{
		{"no store", apiserver.New(apiserver.Config{}), 0},
		{"a store", l.server.Config.Handler, 2},
	} {
		var list metav1.APIResourceList
		if err := json.Unmarshal(ask(tt.server, http.MethodGet, "/api/v1", "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		writable := 0
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "create") {
				writable++
			}
		}
		if writable != tt.want {
			t.Errorf("%s: %d resources can be written, want %d", tt.name, writable, tt.want)
		}
	}
}

// TestOpenAPIv2 is about both spellings that kubectls have of its media type.
func TestOpenAPIv2(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	for accept, want := range map[string]string{
		"application/com.github.proto-openapi.spec.v2@v1.0+protobuf": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
		"application/com.github.proto-openapi.spec.v2.v1.0+protobuf": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
		"application/json": "application/json",
	} {
		if got := ask(f, http.MethodGet, "/openapi/v2", accept).Header().Get("Content-Type"); got != want {
			t.Errorf("%s: got %s", accept, got)
		}
	}
}
