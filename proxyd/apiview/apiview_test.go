package apiview_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/proxyd/apiview"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

const (
	patient  = 30 * time.Second
	services = "/api/v1/namespaces/my-ns/services"
)

// running is a View over a real etcd that runs until the test ends.
type running struct {
	*apiview.View
	t    *testing.T
	etcd *registrytest.Etcd
	near *registry.Snapshot
	stop func()
}

// start runs a View whose data plane knows a manifest, and is told more by
// configure.
func start(t *testing.T, near string, configure func(*apiview.Config)) *running {
	t.Helper()
	r := &running{t: t, etcd: registrytest.StartEtcd(t)}
	layout, err := codec.NewLayout(codec.DefaultPrefix)
	if err != nil {
		t.Fatal(err)
	}
	r.put("/registry/services/specs/my-ns/web", webSpec)
	r.put("/registry/pods/my-ns/web-0", `{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-0", "namespace": "my-ns"}, "status": {"podIP": "10.1.0.9"}}`)
	r.near = trimmed(t, near)
	c := apiview.Config{
		Client: r.etcd.Client(), Layout: layout, Near: func() *registry.Snapshot { return r.near },
		Server: apiserver.Config{Store: write.New(r.etcd.Client(), layout, write.Options{})},
	}
	if configure != nil {
		configure(&c)
	}
	r.View = apiview.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	r.stop = func() { cancel(); running.Wait() }
	t.Cleanup(r.stop)
	return r
}

const webSpec = `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "my-ns"},
	"spec": {"clusterIP": "10.0.0.80", "ports": [{"protocol": "TCP", "port": 80}]}}`

// trimmed returns what the data plane knows of a registry; nil of none.
func trimmed(t *testing.T, manifests string) *registry.Snapshot {
	t.Helper()
	if manifests == "" {
		return nil
	}
	whole := registrytest.Snapshot(t, manifests)
	var changes []registry.Change
	for o := range whole.Objects() {
		rules.Trim(o, "node", "")
		changes = append(changes, registry.Change{Ref: o.Ref(), Object: o})
	}
	s, _ := (&registry.Snapshot{}).Apply(whole.Revision(), changes...)
	return s
}

func (r *running) put(key, value string) {
	r.t.Helper()
	if _, err := r.etcd.Client().Put(r.t.Context(), key, value); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, path, nil))
	return w
}

// wants asks once, and wants an answer with a code and a text.
func (r *running) wants(path string, code int, text string) {
	r.t.Helper()
	if w := r.get(path); w.Code != code || !strings.Contains(w.Body.String(), text) {
		r.t.Errorf("%s: %d %s, want %d and %q", path, w.Code, w.Body, code, text)
	}
}

func (r *running) becomes(awake bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patient); r.Awake() != awake; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("awake %v, want %v", r.Awake(), awake)
		}
	}
}

// The first request wakes the View and is answered from etcd, and so is one
// after it has slept.
func TestWakesAndSleeps(t *testing.T) {
	r := start(t, "", func(c *apiview.Config) { c.Idle = 80 * time.Millisecond })
	if r.Awake() {
		t.Fatal("awake before anybody asked")
	}
	r.wants(services+"/web", 200, `"clusterIP":"10.0.0.80"`)
	r.becomes(false)
	r.put("/registry/services/specs/my-ns/web", strings.ReplaceAll(webSpec, "0.80", "0.81"))
	r.wants(services+"/web", 200, `"clusterIP":"10.0.0.81"`)
	r.wants("/api/v1/pods", 200, `"name":"web-0"`)
}

// A watch keeps it awake; the end of the View ends the watch.
func TestWatchKeepsAwake(t *testing.T) {
	r := start(t, "", func(c *apiview.Config) { c.Idle = 40 * time.Millisecond })
	server := httptest.NewServer(r)
	defer server.Close()
	resp, err := http.Get(server.URL + services + "?watch=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 4 {
		if !lines.Scan() || i > 0 && !strings.Contains(lines.Text(), `"MODIFIED"`) {
			t.Fatalf("the watch ended, or told %s: %v", lines.Text(), lines.Err())
		}
		time.Sleep(60 * time.Millisecond) // longer than it would stay awake
		r.put("/registry/services/specs/my-ns/web", webSpec)
	}
	r.stop()
	for lines.Scan() { // until it ends
	}
	r.wants(services, 503, "proxyd is stopping")
}

// Without an etcd that answers, requests say so once they have waited for it.
func TestWithoutEtcd(t *testing.T) {
	r := start(t, "", func(c *apiview.Config) { c.Patience = 50 * time.Millisecond })
	r.etcd.Stop()
	r.wants(services, 503, `"reason":"ServiceUnavailable"`)
	r.wants("/api/v1", 200, "services") // which is no matter of etcd
	if _, err := r.Snapshot(t.Context(), ref(registry.KindPod, "web-0")); err == nil || !strings.Contains(err.Error(), "etcd has not answered") {
		t.Errorf("Snapshot: %v", err)
	}
	r.etcd.Restart()
	r.becomes(true)
	for deadline := time.Now().Add(patient); r.get(services).Code != 200; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no answer though etcd is back")
		}
	}
}

// What is known stays known while etcd is away, however long nobody asks.
func TestStaysAwakeWithoutEtcd(t *testing.T) {
	r := start(t, "", func(c *apiview.Config) { c.Idle = 2 * time.Second })
	r.wants(services+"/web", 200, "10.0.0.80")
	gone := make(chan struct{})
	go func() { defer close(gone); r.etcd.Stop() }()
	for stopping := true; stopping; { // a while, in which somebody asks
		select {
		case <-gone:
			stopping = false
		case <-time.After(50 * time.Millisecond):
		}
		r.wants(services+"/web", 200, "10.0.0.80")
	}
	time.Sleep(4 * time.Second) // more than it would stay awake; a lost connection shows at once
	r.wants(services+"/web", 200, "10.0.0.80")
	if !r.Awake() {
		t.Error("asleep while etcd is away")
	}
}

const known = `
{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "my-ns"}, "spec": {"clusterIP": "10.0.0.80", "ports": [{"protocol": "TCP", "port": 80}]}}
---
{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "my-ns"}, "subsets": [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"protocol": "TCP", "port": 8080}]}]}
---
{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "empty", "namespace": "my-ns"}, "spec": {"clusterIP": "10.0.0.81", "ports": [{"protocol": "TCP", "port": 80}]}}
---
{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "headless", "namespace": "my-ns"}, "spec": {"clusterIP": "None"}}
---
{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "outside", "namespace": "my-ns"}, "spec": {"type": "ExternalName", "externalName": "www.example.org"}}
---
{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "lifted", "namespace": "my-ns"}, "spec": {"type": "ExternalName", "externalName": "www.example.org", "clusterIP": "10.0.0.83", "ports": [{"port": 80}]}}
---
{"kind": "Service", "apiVersion": "v1beta1", "id": "named", "namespace": "my-ns", "port": 80, "portalIP": "10.0.0.82"}
---
{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "named", "namespace": "my-ns", "endpoints": ["10.1.0.1:8080", "db.example.org:8080"]}
`

func ref(kind registry.Kind, name string) registry.Ref {
	return registry.Ref{Kind: kind, Key: registry.Key{Namespace: "my-ns", Name: name}}
}

// The proxy path wakes the View for what the data plane doesn't know, and for
// that alone.
func TestSource(t *testing.T) {
	tests := map[string]struct {
		to    registry.Ref
		wakes bool
	}{
		"a service":                       {ref(registry.KindService, "web"), false},
		"a service without endpoints":     {ref(registry.KindService, "empty"), false},
		"no such service":                 {ref(registry.KindService, "nothere"), false},
		"a headless service, whose ports": {ref(registry.KindService, "headless"), true},
		"a name outside":                  {ref(registry.KindService, "outside"), true},
		"a name with a portal IP":         {ref(registry.KindService, "lifted"), false},
		"an endpoint that is a name":      {ref(registry.KindService, "named"), true},
		"a pod":                           {ref(registry.KindPod, "web-0"), true},
		"a node":                          {ref(registry.KindNode, "node"), true},
	}
	r := start(t, known, func(c *apiview.Config) { c.Idle = 40 * time.Millisecond })
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r.becomes(false)
			s, err := r.Snapshot(t.Context(), tt.to)
			if err != nil {
				t.Fatal(err)
			}
			whole := s.Object(ref(registry.KindPod, "web-0")) != nil
			if whole != tt.wakes {
				t.Errorf("answered from the whole registry: %v, want %v", whole, tt.wakes)
			}
		})
	}
}

// While it is awake all requests see one registry, so that who writes and then
// asks finds what was written.
func TestSourceOfOneMind(t *testing.T) {
	r := start(t, known, nil)
	r.wants(services+"/web", 200, "10.0.0.80")
	s, err := r.Snapshot(t.Context(), ref(registry.KindService, "web"))
	if err != nil || s.Pod(ref(registry.KindPod, "web-0").Key) == nil {
		t.Errorf("not the registry that is served: %v, %v", s, err)
	}
}
