package apiserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// What is created has a UID and a time that the server chose, and keeps both.
// A client that reads sees the same as the one that wrote.
func TestIdentity(t *testing.T) {
	l := newLive(t)
	const theirs = `"web", "uid": "mine", "creationTimestamp": "2015-01-01T00:00:00Z"`
	code, created := l.do("POST", inTeam, asJSON, strings.Replace(newWeb, `"web"`, theirs, 1))
	m := created.Metadata
	if code != http.StatusCreated || len(m.UID) != 36 || time.Since(m.CreationTimestamp.Time) > time.Minute {
		t.Fatalf("%d: UID %q, created %s", code, m.UID, m.CreationTimestamp)
	}
	for _, tt := range []struct{ method, contentType, body string }{
		{"GET", "", ""},
		{"PUT", asJSON, strings.Replace(newWeb, "80", "81", 1)},
		{"PUT", asJSON, strings.Replace(newWeb, `"web"`, `"web", "uid": "`+string(m.UID)+`", "creationTimestamp": "2015-01-01T00:00:00Z"`, 1)},
		{"PATCH", asMerge, `{"metadata": {"labels": {"a": "b"}, "uid": null, "creationTimestamp": null}}`},
		{"GET", "", ""},
	} {
		code, a := l.do(tt.method, theWeb, tt.contentType, tt.body)
		if code != http.StatusOK || a.Metadata.UID != m.UID || !a.Metadata.CreationTimestamp.Equal(&m.CreationTimestamp) {
			t.Errorf("%s %s: %d: UID %q, created %s; want %q, %s", tt.method, tt.body, code, a.Metadata.UID, a.Metadata.CreationTimestamp, m.UID, m.CreationTimestamp)
		}
	}
	text := m.CreationTimestamp.UTC().Format(time.RFC3339)
	for _, path := range []string{"/api/v1beta1/services/web?namespace=team", "/api/v1beta3/namespaces/team/services/web"} {
		if _, body := l.send("GET", path, "", nil); !strings.Contains(body, `"creationTimestamp":"`+text+`"`) || !strings.Contains(body, string(m.UID)) {
			t.Errorf("%s: %s", path, body)
		}
	}
	if got := kubectl(t, l.server, "get", "svc", "-n", "team", "web", "--no-headers"); strings.Contains(got, "unknown") || !strings.HasSuffix(got, "s\n") {
		t.Errorf("no age in %s", got)
	}
	if got := kubectl(t, l.server, "get", "svc", "-n", "team", "--sort-by=.metadata.creationTimestamp", "-o", "name"); got != "service/web\n" {
		t.Error(got)
	}
}
