package apiserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
)

// events reads a watch and returns what gives its next event, as "TYPE name
// revision"; empty at its end.
func events(t *testing.T, f *fixture, path string) (next func() string) {
	t.Helper()
	server := httptest.NewServer(f)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // an event that doesn't come
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = response.Body.Close()
		server.Close()
	})
	lines := bufio.NewScanner(response.Body)
	return func() string {
		t.Helper()
		if !lines.Scan() {
			return ""
		}
		var event struct {
			Type   string
			Object struct {
				metav1.TypeMeta   `json:",inline"`
				metav1.ObjectMeta `json:"metadata"`
				Code              int
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		o := &event.Object
		if event.Type == "ERROR" {
			return fmt.Sprintf("ERROR %s %d", o.Kind, o.Code)
		}
		text := fmt.Sprintf("%s %s %s %s", event.Type, o.Kind, o.Name, o.ResourceVersion)
		for name, value := range o.Annotations {
			if event.Type == "BOOKMARK" {
				text += " " + name + "=" + value
			}
		}
		return text
	}
}

func expect(t *testing.T, next func() string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(); got != w {
			t.Fatalf("event %q, want %q", got, w)
		}
	}
}

const (
	services = "/api/v1/services?watch=true"
	inMyNS   = "/api/v1/namespaces/my-ns/services?watch=1"
)

func labelled(s *registry.Service, labels map[string]string) *registry.Service {
	s.Labels = labels
	return s
}

func TestWatchBeginsWithWhatIsThere(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	next := events(t, f, inMyNS)
	expect(t, next, "ADDED Service old 2", "ADDED Service web 1")
	f.apply(registry.Put(service("my-ns", "new", 1)))
	expect(t, next, "ADDED Service new 11")
}

func TestWatchFromRevision(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	f.apply(registry.Put(service("my-ns", "a", 1)))    // 11
	f.apply(registry.Put(service("other-ns", "b", 1))) // 12
	f.apply(registry.Put(service("my-ns", "a", 2)))    // 13
	next := events(t, f, inMyNS+"&resourceVersion=11")
	expect(t, next, "MODIFIED Service a 13")
	f.apply(registry.Delete(registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: "a"}}))
	expect(t, next, "DELETED Service a 14")
}

// TestWatchFromWithinStep is about a client that has seen one object of a step,
// but not the other.
func TestWatchFromWithinStep(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	web, old := service("my-ns", "web", 1), service("my-ns", "old", 1)
	web.ModRevision, old.ModRevision = 11, 12
	next, changes := f.snapshot.Apply(12, registry.Put(old), registry.Put(web))
	f.Notify(next, changes)
	expect(t, events(t, f, inMyNS+"&resourceVersion=10"), "MODIFIED Service web 11", "MODIFIED Service old 12")
	expect(t, events(t, f, inMyNS+"&resourceVersion=11"), "MODIFIED Service old 12")
}

func TestWatchSelectors(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	next := events(t, f, services+"&resourceVersion=10&labelSelector=team%3Dgreen")
	f.apply(registry.Put(labelled(service("my-ns", "a", 1), nil)))
	f.apply(registry.Put(labelled(service("my-ns", "a", 1), map[string]string{"team": "green"})))
	expect(t, next, "ADDED Service a 12") // for this watch it is new
	f.apply(registry.Put(labelled(service("my-ns", "a", 2), map[string]string{"team": "green"})))
	expect(t, next, "MODIFIED Service a 13")
	f.apply(registry.Put(labelled(service("my-ns", "a", 2), nil)))
	expect(t, next, "DELETED Service a 14")
}

func TestWatchOneObject(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	next := events(t, f, services+"&resourceVersion=10&fieldSelector=metadata.name%3Dweb")
	f.apply(registry.Put(service("my-ns", "other", 1)), registry.Put(service("my-ns", "web", 1)))
	expect(t, next, "MODIFIED Service web 11")
}

func TestWatchSlicesAndEndpoints(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	slices := events(t, f, "/apis/discovery.k8s.io/v1/endpointslices?watch=true&resourceVersion=10")
	endpoints := events(t, f, "/api/v1/endpoints?watch=true&resourceVersion=10")
	slice := func(name string) registry.Change {
		return registry.Put(&registry.Endpoints{
			Meta:    registry.Meta{Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "my-ns", Name: name}},
			Service: registry.Key{Namespace: "my-ns", Name: "web"},
		})
	}
	f.apply(slice("web-def"))
	f.apply(slice("web-abc"))
	expect(t, slices, "ADDED EndpointSlice web-def 11", "MODIFIED EndpointSlice web-abc 12")
	f.apply(registry.Delete(registry.Ref{Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "my-ns", Name: "web-def"}}))
	expect(t, slices, "DELETED EndpointSlice web-def 13")
	f.apply(registry.Delete(registry.Ref{Kind: registry.KindEndpoints, Key: registry.Key{Namespace: "my-ns", Name: "web"}}))
	expect(t, endpoints, "DELETED Endpoints web 14")
}

func TestWatchTooLate(t *testing.T) {
	f := newFixture(t, apiserver.Config{History: 2}, "testdata/registry.yaml")
	for port := range uint16(3) {
		f.apply(registry.Put(service("my-ns", "a", port+1)))
	}
	expect(t, events(t, f, inMyNS+"&resourceVersion=10"), "ERROR Status 410", "")
	expect(t, events(t, f, inMyNS+"&resourceVersion=11"), "MODIFIED Service a 12")
	// Nor does one go on once etcd was restored from a backup.
	next := events(t, f, inMyNS+"&resourceVersion=13")
	f.Notify(registry.Build(5), &registry.Changes{})
	expect(t, next, "ERROR Status 410", "")
}

func TestWatchBookmarks(t *testing.T) {
	f := newFixture(t, apiserver.Config{Bookmark: 10 * time.Millisecond}, "testdata/registry.yaml")
	next := events(t, f, inMyNS+"&resourceVersion=10&allowWatchBookmarks=true")
	expect(t, next, "BOOKMARK Service  10")
	f.apply(registry.Put(service("other-ns", "b", 1)))
	for {
		if got := next(); got == "BOOKMARK Service  11" {
			return
		} else if got != "BOOKMARK Service  10" {
			t.Fatalf("event %q", got)
		}
	}
}

// TestWatchList is client-go's way to list by a watch.
func TestWatchList(t *testing.T) {
	f := newFixture(t, apiserver.Config{Patience: time.Millisecond}, "testdata/registry.yaml")
	const path = inMyNS + "&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
	for _, revision := range []string{"", "&resourceVersion=0", "&resourceVersion=9"} {
		next := events(t, f, path+revision)
		expect(t, next, "ADDED Service old 2", "ADDED Service web 1", "BOOKMARK Service  10 k8s.io/initial-events-end=true")
	}
	unmarked := events(t, f, inMyNS+"&sendInitialEvents=true&timeoutSeconds=1") // nobody asked for bookmarks
	expect(t, unmarked, "ADDED Service old 2", "ADDED Service web 1", "")
	if w := ask(f, http.MethodGet, path+"&resourceVersion=11", ""); w.Code != http.StatusGatewayTimeout {
		t.Errorf("a revision to come: %d", w.Code)
	}
	next := events(t, f, path)
	expect(t, next, "ADDED Service old 2", "ADDED Service web 1", "BOOKMARK Service  10 k8s.io/initial-events-end=true")
	f.apply(registry.Put(service("my-ns", "new", 1)))
	expect(t, next, "ADDED Service new 11")
}

func TestWatchEnds(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	expect(t, events(t, f, inMyNS+"&resourceVersion=10&timeoutSeconds=1"), "")
	f = newFixture(t, apiserver.Config{WatchTime: time.Millisecond}, "testdata/registry.yaml")
	expect(t, events(t, f, inMyNS+"&resourceVersion=10&allowWatchBookmarks=true"), "BOOKMARK Service  10", "")
}

// TestWatchTable holds that only the first event brings the columns.
func TestWatchTable(t *testing.T) {
	f := newFixture(t, apiserver.Config{WatchTime: time.Millisecond}, "testdata/registry.yaml")
	f.apply(registry.Put(service("my-ns", "a", 1)))
	f.apply(registry.Put(service("my-ns", "b", 2)))
	w := ask(f, http.MethodGet, inMyNS+"&resourceVersion=10&allowWatchBookmarks=1", "application/json;as=Table;g=meta.k8s.io;v=v1")
	var got []string
	for line := range strings.Lines(w.Body.String()) {
		var event struct {
			Type   string
			Object metav1.Table
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %s %s, %d columns", event.Type, event.Object.Kind, event.Object.ResourceVersion, len(event.Object.ColumnDefinitions))
		for _, row := range event.Object.Rows {
			text += fmt.Sprint(", ", row.Cells[0])
		}
		got = append(got, text)
	}
	want := []string{"ADDED Table 11, 7 columns, a", "ADDED Table 12, 0 columns, b", "BOOKMARK Table 12, 0 columns"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
