package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/watch"
	"github.com/svcreg/svcreg/registry/write"
)

// live is a server of a registry in etcd, that can be written to.
type live struct {
	t      *testing.T
	server *httptest.Server
	client *clientv3.Client
}

func newLive(t *testing.T) *live {
	t.Helper()
	return newLiveOn(t, func(s apiserver.Store) apiserver.Store { return s })
}

// newLiveOn has the server write through what wrap makes of the writer.
func newLiveOn(t *testing.T, wrap func(apiserver.Store) apiserver.Store) *live {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	client := registrytest.StartEtcd(t).Client()
	writer := write.New(client, layout, write.Options{})
	if err := writer.Init(t.Context(), netip.MustParsePrefix("10.0.0.0/28")); err != nil {
		t.Fatal(err)
	}
	s := apiserver.New(apiserver.Config{Store: wrap(writer)})
	watcher, err := watch.New(watch.Config{Client: client, Layout: layout, Notify: s.Notify})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = watcher.Run(ctx) }) // nil, always
	l := &live{t: t, server: httptest.NewServer(s), client: client}
	t.Cleanup(func() {
		l.server.Close()
		stop()
		running.Wait()
	})
	<-watcher.Ready()
	return l
}

// do sends a request and returns the code, and the body as one that has either
// a service's fields or a Status'.
func (l *live) do(method, path, contentType, body string) (int, *answer) {
	l.t.Helper()
	q, err := http.NewRequestWithContext(l.t.Context(), method, l.server.URL+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	response, err := l.server.Client().Do(q)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	a := &answer{}
	if err := json.NewDecoder(response.Body).Decode(a); err != nil {
		l.t.Fatal(err)
	}
	return response.StatusCode, a
}

// answer has the fields of a Service and of a Status.
type answer struct {
	Metadata metav1.ObjectMeta
	Spec     corev1.ServiceSpec
	Status   any
	Reason   string
	Message  string
}

const (
	inTeam  = "/api/v1/namespaces/team/services"
	theWeb  = inTeam + "/web"
	asJSON  = "application/json"
	asMerge = "application/merge-patch+json"
	asSteps = "application/json-patch+json"
	asSMP   = "application/strategic-merge-patch+json"
	newWeb  = `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "somethingNew": 1}}`
)

func TestCreateUpdateDelete(t *testing.T) {
	l := newLive(t)
	code, created := l.do("POST", inTeam, asJSON, newWeb)
	if code != http.StatusCreated || !strings.HasPrefix(created.Spec.ClusterIP, "10.0.0.") || created.Metadata.Namespace != "team" || created.Metadata.ResourceVersion == "" {
		t.Fatalf("%d: %+v", code, created)
	}
	if code, a := l.do("POST", inTeam, asJSON, newWeb); code != http.StatusConflict || a.Reason != "AlreadyExists" || a.Message != `services "web" already exists` {
		t.Errorf("created twice: %d: %s %s", code, a.Reason, a.Message)
	}
	// Who writes and then reads finds what it wrote.
	if code, a := l.do("GET", theWeb, "", ""); code != http.StatusOK || a.Metadata.ResourceVersion != created.Metadata.ResourceVersion || a.Spec.ClusterIP != created.Spec.ClusterIP {
		t.Errorf("got %d: %+v, want what was created", code, a)
	}

	based := strings.Replace(newWeb, `"web"`, `"web", "resourceVersion": "`+created.Metadata.ResourceVersion+`"`, 1)
	based = strings.Replace(based, "80", "81", 1)
	code, updated := l.do("PUT", theWeb, asJSON, based)
	if code != http.StatusOK || updated.Spec.Ports[0].Port != 81 || updated.Spec.ClusterIP != created.Spec.ClusterIP {
		t.Fatalf("%d: %+v", code, updated)
	}
	code, a := l.do("PUT", theWeb, asJSON, based)
	if code != http.StatusConflict || a.Reason != "Conflict" || !strings.Contains(a.Message, `Operation cannot be fulfilled on services "web": the object has been modified`) {
		t.Errorf("updated what had changed: %d: %s", code, a.Message)
	}

	stale := `{"preconditions": {"resourceVersion": "` + created.Metadata.ResourceVersion + `"}}`
	if code, _ := l.do("DELETE", theWeb, asJSON, stale); code != http.StatusConflict {
		t.Errorf("deleted what had changed: %d", code)
	}
	for uid, want := range map[string]int{"x": http.StatusConflict, string(updated.Metadata.UID): http.StatusOK} {
		if code, a := l.do("DELETE", theWeb+"?dryRun=All", asJSON, `{"preconditions": {"uid": "`+uid+`"}}`); code != want {
			t.Errorf("UID %q: %d: %s", uid, code, a.Message)
		}
	}
	if code, a := l.do("DELETE", theWeb+"?dryRun=All", asJSON, ""); code != http.StatusOK {
		t.Errorf("%d: %s", code, a.Message)
	}
	if code, a := l.do("DELETE", theWeb, asJSON, ""); code != http.StatusOK || a.Status != "Success" {
		t.Errorf("%d: %s", code, a.Message)
	}
	if code, a := l.do("DELETE", theWeb, asJSON, ""); code != http.StatusNotFound || a.Message != `services "web" not found` {
		t.Errorf("deleted twice: %d: %s", code, a.Message)
	}
}

func TestRefusedWrites(t *testing.T) {
	l := newLive(t)
	l.do("POST", inTeam, asJSON, strings.Replace(newWeb, `"ports"`, `"clusterIP": "10.0.0.5", "ports"`, 1))
	with := func(old, now string) string { return strings.Replace(newWeb, old, now, 1) }
	tests := []struct {
		name, method, path, contentType, body string
		code                                  int
		message                               string
	}{
		{"no JSON", "POST", inTeam, asJSON, "{", 400, "the object provided is unrecognized"},
		{"another kind", "POST", inTeam, asJSON, with("Service", "Pod"), 400, "want a Service of v1"},
		{"another version", "POST", inTeam, asJSON, with(`"v1"`, `"v1beta3"`), 400, "want a Service of v1"},
		{"another namespace", "POST", inTeam, asJSON, with(`"web"`, `"web", "namespace": "other"`), 400, "does not match the namespace"},
		{"another name", "PUT", inTeam + "/other", asJSON, newWeb, 400, "does not match the name on the URL"},
		{"an update of nothing", "PUT", inTeam + "/other", asJSON, with(`"web"`, `"other"`), 404, `services "other" not found`},
		{"a revision for a new one", "POST", inTeam, asJSON, with(`"web"`, `"a", "resourceVersion": "1"`), 400, "resourceVersion should not be set"},
		{"a bad revision", "PUT", theWeb, asJSON, with(`"web"`, `"web", "resourceVersion": "x"`), 400, "want a number"},
		{"a bad name", "POST", inTeam, asJSON, with(`"web"`, `"Web_1"`), 422, "metadata.name"},
		{"a bad port", "POST", inTeam, asJSON, with("80", "80000"), 422, "port"},
		{"an outside address", "POST", inTeam, asJSON, strings.Replace(with(`"web"`, `"a"`), `"ports"`, `"clusterIP": "10.9.0.1", "ports"`, 1), 422, "portal network"},
		{"all namespaces", "POST", "/api/v1/services", asJSON, newWeb, 405, "does not allow this method"},
		{"a pod", "DELETE", "/api/v1/namespaces/team/pods/a", asJSON, "", 405, "does not allow this method"},
		{"all pods", "DELETE", "/api/v1/namespaces/team/pods", asJSON, "", 405, "does not allow this method"},
		{"all of all namespaces", "DELETE", "/api/v1/services", asJSON, "", 405, "does not allow this method"},
		{"all that a bad selector says", "DELETE", inTeam + "?labelSelector=,,", asJSON, "", 400, "unable to parse labelSelector"},
		{"all of a resourceVersion", "DELETE", inTeam, asJSON, `{"preconditions": {"resourceVersion": "1"}}`, 400, "preconditions are for the delete of one object"},
		{"a long name", "POST", inTeam, asJSON, with(`"web"`, `"`+strings.Repeat("a", 64)+`"`), 422, "metadata.name"},
		{"another portal IP", "PATCH", theWeb, asMerge, `{"spec": {"clusterIP": "10.0.0.14", "clusterIPs": null}}`, 422, `Service "web" is invalid: spec.clusterIPs[0]: 10.0.0.14: want 10.0.0.5, which may not change once set`},
		{"no portal IP any more", "PATCH", theWeb, asMerge, `{"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}`, 422, "spec.clusterIPs[0]: None: want 10.0.0.5"},
		{"an update of another one", "PUT", theWeb, asJSON, with(`"web"`, `"web", "uid": "x"`), 409, "UID in precondition: x"},
		{"a dry run of a sort", "POST", inTeam + "?dryRun=Some", asJSON, with("web", "a"), 400, `dryRun: Unsupported value: "Some"`},
		{"a dry delete of a sort", "DELETE", theWeb, asJSON, `{"dryRun": ["Some"]}`, 400, `dryRun: Unsupported value: "Some"`},
		{"no patch", "PATCH", theWeb, "application/apply-patch+yaml", "{}", 415, "want kubectl apply --server-side=false"},
		{"a patch in another form", "PATCH", theWeb, "text/plain", "{}", 415, "unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json"},
		{"a patch of nothing", "PATCH", inTeam + "/other", asMerge, "{}", 404, "not found"},
		{"a patch of the name", "PATCH", theWeb, asMerge, `{"metadata": {"name": "other"}}`, 400, "does not match"},
		{"a patch of the past", "PATCH", theWeb, asMerge, `{"metadata": {"resourceVersion": "1"}, "spec": {"externalIPs": ["192.0.2.1"]}}`, 409, "has been modified"},
		{"a patch that doesn't fit", "PATCH", theWeb, asSteps, `[{"op": "remove", "path": "/spec/nothing"}]`, 422, `there is no "nothing"`},
		{"too much", "POST", inTeam, asJSON, strings.Repeat(" ", 3<<20+1), 413, "limit is 3145728"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, a := l.do(tt.method, tt.path, tt.contentType, tt.body)
			if code != tt.code || !strings.Contains(a.Message, tt.message) {
				t.Errorf("%d: %s; want %d: %s", code, a.Message, tt.code, tt.message)
			}
		})
	}
}

func TestPatches(t *testing.T) {
	l := newLive(t)
	tests := []struct{ name, contentType, patch, want string }{
		{"merge", asMerge, `{"spec": {"ports": [{"port": 81}], "sessionAffinity": null}}`, "81"},
		{"merge replaces lists", asMerge, `{"spec": {"ports": [{"port": 82, "name": "a"}, {"port": 83, "name": "b"}]}}`, "82 83"},
		{"strategic merges lists", asSMP, `{"spec": {"ports": [{"port": 80, "name": "x"}, {"port": 84, "name": "c", "nodePort": null}]}}`, "80 84"},
		{"strategic deletes elements", asSMP, `{"spec": {"$setElementOrder/ports": [{"port": 85}], "ports": [{"port": 85}, {"port": 80, "$patch": "delete"}]}}`, "85"},
		{"strategic arranges", asSMP, `{"spec": {"$setElementOrder/ports": [{"port": 79}, {"port": 80}], "ports": [{"port": 79, "name": "a"}, {"port": 80, "name": "b"}]}}`, "79 80"},
		{"steps", asSteps, `[{"op": "test", "path": "/spec/ports/0/port", "value": 80}, {"op": "replace", "path": "/spec/ports/0/port", "value": 86}, {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}}]`, "86"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l.do("DELETE", theWeb, asJSON, "")
			l.do("POST", inTeam, asJSON, newWeb)
			code, a := l.do("PATCH", theWeb, tt.contentType, tt.patch)
			var ports []string
			for _, p := range a.Spec.Ports {
				ports = append(ports, strconv.Itoa(int(p.Port)))
			}
			if got := strings.Join(ports, " "); code != http.StatusOK || got != tt.want {
				t.Errorf("%d: ports %s, want %s: %s", code, got, tt.want, a.Message)
			}
			stored, err := l.client.Get(t.Context(), "/registry/services/specs/team/web")
			if err != nil || !strings.Contains(string(stored.Kvs[0].Value), `"somethingNew":1`) {
				t.Errorf("an unknown field got lost: %s (%v)", stored.Kvs[0].Value, err)
			}
		})
	}
}

// rival is a store in which somebody else is faster, a few times.
type rival struct {
	apiserver.Store
	times int
}

func (r *rival) ApplyIf(ctx context.Context, d *codec.Document, c write.Condition) (write.Outcome, error) {
	if r.times--; r.times >= 0 && c.Revision != 0 {
		return write.Unchanged, write.ErrChanged
	}
	return r.Store.ApplyIf(ctx, d, c)
}

func TestPatchIsMadeAnew(t *testing.T) {
	for times, want := range map[int]int{0: http.StatusOK, 4: http.StatusOK, 5: http.StatusConflict} {
		r := &rival{}
		l := newLiveOn(t, func(s apiserver.Store) apiserver.Store { r.Store = s; return r })
		l.do("POST", inTeam, asJSON, newWeb)
		r.times = times
		if code, a := l.do("PATCH", theWeb, asMerge, `{"spec": {"ports": [{"port": 81}]}}`); code != want {
			t.Errorf("somebody faster %d times: %d: %s; want %d", times, code, a.Message, want)
		}
	}
}

// TestPatchWithoutRevision is about a patch that takes the resourceVersion out:
// it is still one of what was read.
func TestPatchWithoutRevision(t *testing.T) {
	r := &rival{}
	l := newLiveOn(t, func(s apiserver.Store) apiserver.Store { r.Store = s; return r })
	l.do("POST", inTeam, asJSON, newWeb)
	r.times = 5
	if code, a := l.do("PATCH", theWeb, asMerge, `{"metadata": {"resourceVersion": null}, "spec": {"ports": [{"port": 81}]}}`); code != http.StatusConflict {
		t.Errorf("%d: %s", code, a.Message)
	}
}

// TestPatchOfOlderVersion is about an object that is stored as v1beta1: it is
// patched, and answered, as v1.
func TestPatchOfOlderVersion(t *testing.T) {
	l := newLive(t)
	const old = `{"kind": "Service", "apiVersion": "v1beta1", "id": "web", "namespace": "team", "port": 6379, "portalIP": "10.0.0.3"}`
	if _, err := l.client.Put(t.Context(), "/registry/services/specs/team/web", old); err != nil {
		t.Fatal(err)
	}
	code, a := l.do("PATCH", theWeb, asMerge, `{"metadata": {"labels": {"a": "b"}}}`)
	if code != http.StatusOK || a.Metadata.Labels["a"] != "b" || len(a.Spec.Ports) != 1 || a.Spec.Ports[0].Port != 6379 || a.Spec.ClusterIP != "10.0.0.3" {
		t.Errorf("%d: %+v", code, a)
	}
}

// TestApiserversRegistry is about one that an apiserver owns: it is only read.
func TestApiserversRegistry(t *testing.T) {
	l := newLive(t)
	l.do("POST", inTeam, asJSON, newWeb)
	if _, err := l.client.Put(t.Context(), "/registry/masterleases/192.0.2.1", "k8s\x00"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ method, path, contentType, body string }{
		{"POST", inTeam, asJSON, strings.Replace(newWeb, "web", "new", 1)},
		{"PUT", theWeb, asJSON, strings.Replace(newWeb, "80", "81", 1)},
		{"PATCH", theWeb, asMerge, `{"spec": {"ports": [{"port": 81}]}}`},
		{"DELETE", theWeb, asJSON, ""},
	} {
		if code, a := l.do(tt.method, tt.path, tt.contentType, tt.body); code != http.StatusForbidden || !strings.Contains(a.Message, "belongs to a Kubernetes") {
			t.Errorf("%s: %d: %s", tt.method, code, a.Message)
		}
	}
}

// TestServersOwnFields is about what an apiserver keeps in an object for
// itself: it isn't stored.
func TestServersOwnFields(t *testing.T) {
	l := newLive(t)
	own := strings.Replace(newWeb, `"web"`, `"web", "selfLink": "/x", "generation": 3, "creationTimestamp": null, "managedFields": [{"manager": "m"}]`, 1)
	if code, a := l.do("POST", inTeam, asJSON, own); code != http.StatusCreated {
		t.Fatalf("%d: %s", code, a.Message)
	}
	stored, err := l.client.Get(t.Context(), "/registry/services/specs/team/web")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"selfLink", "generation", "managedFields", "resourceVersion"} {
		if strings.Contains(string(stored.Kvs[0].Value), name) {
			t.Errorf("%s was stored: %s", name, stored.Kvs[0].Value)
		}
	}
}

// TestStatusStays is about who writes a status: not a service's user.
func TestStatusStays(t *testing.T) {
	l := newLive(t)
	status := strings.Replace(newWeb, `"spec"`, `"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}, "spec"`, 1)
	for method, path := range map[string]string{"POST": inTeam, "PUT": theWeb} {
		l.do("DELETE", theWeb, asJSON, "")
		if method == "PUT" {
			l.do("POST", inTeam, asJSON, newWeb)
		}
		l.do(method, path, asJSON, status)
		_, a := l.do("GET", theWeb, "", "")
		if text, _ := json.Marshal(a.Status); strings.Contains(string(text), "192.0.2.1") {
			t.Errorf("%s wrote the status %s", method, text)
		}
	}
}

// TestKubectlWrites has kubectl apply, replace, label, patch and delete.
func TestKubectlWrites(t *testing.T) { everyKubectl(t, testKubectlWrites) }

func testKubectlWrites(t *testing.T) {
	t.Helper()
	l := newLive(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const manifest = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: team}
spec: {clusterIP: 10.0.0.5, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: team}
subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{name: http, port: 8080}]}]
`
	first := file("first.yaml", manifest)
	second := file("second.yaml", strings.ReplaceAll(manifest, "port: 80}", "port: 81}, {name: more, port: 82}"))
	// A protocol that the file leaves out, and the answer has, makes kubectl
	// say that endpoints are configured: as with an apiserver.
	tests := []struct{ args, want string }{
		{"apply -f " + first, "service/web created\nendpoints/web created\n"},
		{"apply -f " + first, "service/web unchanged\nendpoints/web configured\n"},
		{"apply -f " + second, "service/web configured\nendpoints/web configured\n"},
		{"get svc -n team web -o jsonpath={.spec.clusterIP}:{.spec.ports[*].port}", "10.0.0.5:81 82"},
		{"label svc -n team web a=b", "service/web labeled\n"},
		{"patch svc -n team web --type=json -p [{\"op\":\"remove\",\"path\":\"/spec/ports/1\"}]", "service/web patched\n"},
		{"get svc -n team web --no-headers -o custom-columns=A:.spec.ports[*].port,B:.metadata.labels", "81    map[a:b]\n"},
		{"create -f " + first, "Error from server (AlreadyExists): error when creating \"" + first + "\": services \"web\" already exists\nError from server (AlreadyExists): error when creating \"" + first + "\": endpoints \"web\" already exists\n(exit status 1)\n"},
		{"replace -f " + first, "service/web replaced\nendpoints/web replaced\n"},
		{"delete -f " + first, "service \"web\" deleted\nendpoints \"web\" deleted\n"},
		{"get svc,ep -n team", "No resources found in team namespace.\n"},
	}
	for _, tt := range tests {
		got := kubectl(t, l.server, strings.Fields(tt.args)...)
		got = withoutWarnings(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("kubectl %s (-want +got):\n%s", tt.args, diff)
		}
	}
}

func withoutWarnings(out string) string {
	var kept []string
	for _, line := range strings.SplitAfter(out, "\n") {
		if !strings.HasPrefix(line, "Warning:") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
