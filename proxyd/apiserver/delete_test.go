package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

// names returns those of the services in a list.
func names(t *testing.T, body string) string {
	t.Helper()
	var list corev1.ServiceList
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Kind != "ServiceList" {
		t.Fatalf("%v: %s", err, body)
	}
	var all []string
	for _, item := range list.Items {
		all = append(all, item.Namespace+"/"+item.Name)
	}
	return strings.Join(all, " ")
}

// A collection is deleted as it is listed: by labels, fields and pages.
func TestDeleteCollection(t *testing.T) {
	l := newLive(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		body := strings.Replace(newWeb, `"web"`, `"`+name+`", "labels": {"odd": "`+map[bool]string{true: "yes", false: "no"}[name == "a" || name == "c"]+`"}`, 1)
		l.do("POST", inTeam, asJSON, body)
		l.do("POST", "/api/v1/namespaces/other/services", asJSON, body)
	}
	for _, tt := range []struct{ query, gone, left string }{
		{"?labelSelector=odd%3Dnone", "", "team/a team/b team/c team/d"},
		{"?labelSelector=odd%3Dyes&limit=1", "team/a", "team/b team/c team/d"},
		{"?fieldSelector=metadata.name%3Dd&dryRun=All", "team/d", "team/b team/c team/d"},
		{"?fieldSelector=metadata.name%3Dd", "team/d", "team/b team/c"},
		{"", "team/b team/c", ""},
		{"", "", ""},
	} {
		response, body := l.send("DELETE", inTeam+tt.query, asJSON, nil)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s: %s", tt.query, response.Status, body)
		}
		if diff := cmp.Diff(tt.gone, names(t, body)); diff != "" {
			t.Errorf("%s deletes (-want +got):\n%s", tt.query, diff)
		}
		var left string
		for deadline := 100; deadline > 0; deadline-- { // until the watch has brought it
			_, body = l.send("GET", inTeam, "", nil)
			if left = names(t, body); left == tt.left {
				break
			}
			l.do("GET", inTeam+"?resourceVersion="+strconv.FormatInt(l.revision(), 10), "", "")
		}
		if diff := cmp.Diff(tt.left, left); diff != "" {
			t.Errorf("%s leaves (-want +got):\n%s", tt.query, diff)
		}
	}
	_, body := l.send("GET", "/api/v1/namespaces/other/services", "", nil)
	if got := names(t, body); got != "other/a other/b other/c other/d" {
		t.Errorf("of the other namespace %q are left", got)
	}
}

// meddler is a store in which somebody changes an object before it is deleted.
type meddler struct {
	apiserver.Store
	meddle func(context.Context, registry.Ref)
}

func (m *meddler) DeleteIf(ctx context.Context, r registry.Ref, c write.Condition) error {
	if m.meddle != nil {
		m.meddle(ctx, r)
		m.meddle = nil
	}
	return m.Store.DeleteIf(ctx, r, c)
}

// What is changed meanwhile is deleted if it is still one of those meant.
func TestDeleteCollectionOfWhatChanges(t *testing.T) {
	for label, want := range map[string]int{"a": http.StatusNotFound, "b": http.StatusOK} {
		m := &meddler{}
		l := newLiveOn(t, func(s apiserver.Store) apiserver.Store { m.Store = s; return m })
		l.do("POST", inTeam, asJSON, strings.Replace(newWeb, `"web"`, `"web", "labels": {"x": "a"}`, 1))
		m.meddle = func(context.Context, registry.Ref) {
			l.do("PATCH", theWeb, asMerge, `{"metadata": {"labels": {"x": "`+label+`", "y": "z"}}}`)
		}
		if response, body := l.send("DELETE", inTeam+"?labelSelector=x%3Da", asJSON, nil); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", response.Status, body)
		}
		ref := registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "team", Name: "web"}}
		_, _, err := m.Read(t.Context(), ref)
		if got := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[err == nil]; got != want {
			t.Errorf("with the label %q it is %d, want %d (%v)", label, got, want, err)
		}
	}
}
