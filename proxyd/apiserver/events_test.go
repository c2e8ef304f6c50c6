package apiserver_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	proxydevents "github.com/svcreg/svcreg/proxyd/events"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// happened is a server of the registry in testdata, and of events in etcd.
type happened struct {
	*testing.T
	*fixture
	server *httptest.Server
	client *clientv3.Client
}

func newHappened(t *testing.T, c apiserver.Config) *happened {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	h := &happened{T: t, client: registrytest.StartEtcd(t).Client()}
	c.Events = proxydevents.Reader{Client: h.client, Layout: layout}
	h.fixture = newFixture(t, c, "testdata/registry.yaml")
	h.server = httptest.NewServer(h)
	t.Cleanup(h.server.Close)
	return h
}

// put writes an event about a service.
func (h *happened) put(name string, edit func(*corev1.Event)) {
	h.Helper()
	now := metav1.Time{Time: time.Now()}
	e := &corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "Service", APIVersion: "v1", Namespace: "my-ns", Name: "web", ResourceVersion: "3"},
		Type:           "Warning", Reason: "Unhealthy", Message: "10.244.1.1:8080 fails", Count: 3,
		Source:         corev1.EventSource{Component: "external.svcreg.io", Host: "node-1"},
		FirstTimestamp: metav1.Time{Time: now.Add(-10 * time.Minute)}, LastTimestamp: metav1.Time{Time: now.Add(-5 * time.Minute)},
		ReportingController: "external.svcreg.io",
	}
	if edit != nil {
		edit(e)
	}
	value, err := json.Marshal(e)
	if err == nil {
		_, err = h.client.Put(h.Context(), "/registry/events/"+e.InvolvedObject.Namespace+"/"+name, string(value))
	}
	if err != nil {
		h.Fatal(err)
	}
}

// about puts one event of each sort.
func (h *happened) about() {
	h.put("web.1", func(e *corev1.Event) { e.InvolvedObject.UID = "u1" })
	h.put("web.2", func(e *corev1.Event) {
		e.Type, e.Reason, e.Message, e.Count = "Normal", "Healthy", "10.244.1.1:8080 passes", 1
		e.LastTimestamp = e.FirstTimestamp
	})
	h.put("web.3", func(e *corev1.Event) { e.InvolvedObject.UID, e.Reason = "u2", "OfTheOneBefore" })
	h.put("old.1", func(e *corev1.Event) { e.InvolvedObject.Name = "old" })
	h.put("web-1.1", func(e *corev1.Event) {
		e.InvolvedObject.Kind, e.Source.Component, e.Labels = "Pod", "kubelet", map[string]string{"a": "b"}
	})
	h.put("public.1", func(e *corev1.Event) { e.InvolvedObject.Namespace, e.InvolvedObject.Name = "default", "public" })
}

// get returns the names in a list, or the code and the message of a failure.
func (h *happened) get(path string) string {
	h.Helper()
	response, err := h.server.Client().Get(h.server.URL + path)
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	var list struct {
		corev1.EventList
		Message string
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		h.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Sprint(response.StatusCode, " ", list.Message)
	}
	var names []string
	for _, e := range list.Items {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

func TestEventSelectors(t *testing.T) {
	h := newHappened(t, apiserver.Config{})
	h.about()
	for _, tt := range []struct{ selector, want string }{
		{"", "old.1 web-1.1 web.1 web.2 web.3"},
		{"involvedObject.name=web", "web-1.1 web.1 web.2 web.3"},
		{"involvedObject.name=web,involvedObject.namespace=my-ns,involvedObject.kind=Service", "web.1 web.2 web.3"},
		{"involvedObject.name=web,involvedObject.kind=Service,involvedObject.uid=u1", "web.1 web.2"},
		{"involvedObject.kind=Service,involvedObject.uid=", "old.1 web.2"},
		{"involvedObject.kind!=Service", "web-1.1"},
		{"involvedObject.namespace=default", ""},
		{"reason=Healthy", "web.2"},
		{"type!=Warning", "web.2"},
		{"source=kubelet", "web-1.1"},
		{"reportingComponent=external.svcreg.io,metadata.name=web.1", "web.1"},
		{"involvedObject.apiVersion=v1,involvedObject.resourceVersion=4", ""},
		{"metadata.namespace=my-ns,metadata.name=old.1", "old.1"},
		{"spec.nodeName=x", "400 field label not supported: spec.nodeName"},
	} {
		if got := h.get("/api/v1/namespaces/my-ns/events?fieldSelector=" + url.QueryEscape(tt.selector)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.selector, got, tt.want)
		}
	}
}

func TestEventPaths(t *testing.T) {
	h := newHappened(t, apiserver.Config{})
	h.about()
	for _, tt := range []struct{ path, want string }{
		{"/api/v1/events", "public.1 old.1 web-1.1 web.1 web.2 web.3"},
		{"/api/v1/events?labelSelector=a%3Db", "web-1.1"},
		{"/api/v1/events?limit=2", "public.1 old.1 web-1.1 web.1 web.2 web.3"},
		{"/api/v1/namespaces/default/events", "public.1"},
		{"/api/v1/namespaces/none/events", ""},
		{"/api/v1/namespaces/my-ns/events/none", `404 events "none" not found`},
		{"/api/v1/events?resourceVersion=1&resourceVersionMatch=Exact", "410 too old resource version: 1 (7)"},
		{"/api/v1/events?resourceVersion=7&resourceVersionMatch=Exact", "public.1 old.1 web-1.1 web.1 web.2 web.3"},
		{"/api/v1/namespaces//events", "404 the server could not find the requested resource"},
		{"/api/v1/events/web.1", "404 the server could not find the requested resource"},
		{"/api/v1/namespaces/my-ns/events/web.1/status", "404 the server could not find the requested resource"},
		{"/api/v1beta3/events", "404 the server could not find the requested resource"},
	} {
		if got := h.get(tt.path); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, got, tt.want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		q, _ := http.NewRequestWithContext(t.Context(), method, h.server.URL+"/api/v1/namespaces/my-ns/events/web.1", strings.NewReader("{}"))
		response, err := h.server.Client().Do(q)
		if err != nil || response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %v, %v", method, response, err)
		}
	}
}

// Who may not read a namespace may not read its events.
func TestEventsMay(t *testing.T) {
	h := newHappened(t, apiserver.Config{May: func(_ *http.Request, namespace string, _ bool) bool { return namespace == "default" }})
	h.about()
	for path, want := range map[string]string{
		"/api/v1/namespaces/default/events":   "public.1",
		"/api/v1/namespaces/my-ns/events":     "403 ",
		"/api/v1/events":                      "403 ",
		"/api/v1/events?watch=1":              "403 ",
		"/api/v1/namespaces/my-ns/events/x.1": "403 ",
	} {
		if got := h.get(path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// A server without events has no such resource.
func TestNoEvents(t *testing.T) {
	h := &happened{T: t, server: serve(t, "testdata/registry.yaml")}
	if got := h.get("/api/v1/events"); !strings.HasPrefix(got, "404 ") {
		t.Error(got)
	}
}

// watch returns what gives the next line of a watch.
func (h *happened) watch(query string) func() string {
	h.Helper()
	q, err := http.NewRequestWithContext(h.Context(), http.MethodGet, h.server.URL+"/api/v1/namespaces/my-ns/events?watch=1&timeoutSeconds=20&"+query, nil)
	if err != nil {
		h.Fatal(err)
	}
	response, err := h.server.Client().Do(q)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	return func() string {
		h.Helper()
		if !lines.Scan() {
			return ""
		}
		var line struct {
			Type   string
			Object struct {
				corev1.Event
				Code int
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			h.Fatal(err)
		}
		text := line.Type + " " + line.Object.Name + " " + line.Object.ResourceVersion
		if line.Object.Code != 0 {
			text = fmt.Sprint(line.Type, " ", line.Object.Code)
		}
		return text
	}
}

func TestWatchEvents(t *testing.T) {
	h := newHappened(t, apiserver.Config{})
	h.about()
	unhealthy := h.watch("fieldSelector=" + url.QueryEscape("involvedObject.name=web,reason=Unhealthy"))
	later := h.watch("resourceVersion=7")
	marked := h.watch("sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&fieldSelector=" + url.QueryEscape("reason=Healthy"))
	if _, err := h.client.Delete(t.Context(), "/registry/events/my-ns/web.2"); err != nil { // at revision 8
		t.Fatal(err)
	}
	h.put("web.1", nil)
	h.put("web.4", nil)
	for name, tt := range map[string]struct {
		next func() string
		want []string
	}{
		"after what is there": {unhealthy, []string{"ADDED web-1.1 6", "ADDED web.1 2", "MODIFIED web.1 9", "ADDED web.4 10"}},
		"from a revision":     {later, []string{"DELETED web.2 8", "MODIFIED web.1 9", "ADDED web.4 10"}},
		"with a mark":         {marked, []string{"ADDED web.2 3", "BOOKMARK  7", "DELETED web.2 8"}},
	} {
		for _, want := range tt.want {
			if got := tt.next(); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	if _, err := h.client.Compact(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if got := h.watch("resourceVersion=3")(); got != "ERROR 410" {
		t.Errorf("a watch that comes too late: %q", got)
	}
	if got := h.watch("resourceVersion=10&timeoutSeconds=1")(); got != "" {
		t.Errorf("a watch whose time is up: %q", got)
	}
}

// TestKubectlEvents holds for every kubectl from 1.20 to 1.32.
func TestKubectlEvents(t *testing.T) {
	h := newHappened(t, apiserver.Config{})
	h.about()
	for _, tt := range []struct{ args, want string }{
		{"get events -A", `
NAMESPACE   LAST SEEN   TYPE      REASON           OBJECT           MESSAGE
default     5m          Warning   Unhealthy        service/public   10.244.1.1:8080 fails
my-ns       5m          Warning   Unhealthy        service/old      10.244.1.1:8080 fails
my-ns       5m          Warning   Unhealthy        pod/web          10.244.1.1:8080 fails
my-ns       5m          Warning   Unhealthy        service/web      10.244.1.1:8080 fails
my-ns       10m         Normal    Healthy          service/web      10.244.1.1:8080 passes
my-ns       5m          Warning   OfTheOneBefore   service/web      10.244.1.1:8080 fails
`},
		{"get ev -n my-ns -o wide --field-selector type=Normal", `
LAST SEEN   TYPE     REASON    OBJECT        SUBOBJECT   SOURCE                       MESSAGE                  FIRST SEEN   COUNT   NAME
10m         Normal   Healthy   service/web               external.svcreg.io, node-1   10.244.1.1:8080 passes   10m          1       web.2
`},
		{"get events -n my-ns --sort-by=.lastTimestamp -o name", `
event/web.2
event/old.1
event/web-1.1
event/web.1
event/web.3
`},
		{"get event -n my-ns web.2 -o jsonpath={.reason}", `
Healthy`},
	} {
		got := "\n" + seconds.ReplaceAllString(kubectl(t, h.server, strings.Fields(tt.args)...), "$1   ")
		if diff := cmp.Diff(squeeze(tt.want), squeeze(got)); diff != "" {
			t.Errorf("kubectl %s: (-want +got):\n%s", tt.args, diff)
		}
	}
}

// seconds are those of a time that is also in minutes.
var seconds = regexp.MustCompile(`(\d+m)\d+s`)

// squeeze makes columns one space apart.
func squeeze(text string) string { return regexp.MustCompile(` +`).ReplaceAllString(text, " ") }

// TestKubectlDescribesEvents finds in a description what happened to a service,
// and not what happened to others: to one of its name that was there before it,
// least of all, where services have uids.
func TestKubectlDescribesEvents(t *testing.T) {
	h := newHappened(t, apiserver.Config{})
	h.about()
	const (
		head = `
 Type Reason Age From Message
 ---- ------ ---- ---- -------
`
		healthy   = " Normal Healthy 10m external.svcreg.io 10.244.1.1:8080 passes\n"
		unhealthy = " Warning Unhealthy 5m (x3 over 10m) external.svcreg.io 10.244.1.1:8080 fails\n"
		before    = " Warning OfTheOneBefore 5m (x3 over 10m) external.svcreg.io 10.244.1.1:8080 fails\n"
	)
	check := func(name, want string) {
		t.Helper()
		_, got, _ := strings.Cut(kubectl(t, h.server, "describe", "svc", "-n", "my-ns", name), "Events:")
		if diff := cmp.Diff(want, squeeze(seconds.ReplaceAllString(got, "$1"))); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
	check("web", head+healthy+unhealthy+before)
	check("old", head+unhealthy)
	web := service("my-ns", "web", 80)
	web.UID = "u1"
	other := service("my-ns", "other", 80)
	other.UID = "u3"
	h.apply(registry.Put(web), registry.Put(other))
	check("web", head+healthy+unhealthy)
	check("other", " <none>\n")
}
