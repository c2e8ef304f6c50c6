package apiserver_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestDryRuns holds that they are refused where the real thing would be, answer
// with what would be stored, and change nothing.
func TestDryRuns(t *testing.T) {
	l := newLive(t)
	with := func(old, now string) string { return strings.Replace(newWeb, old, now, 1) }
	at := func(addr string) string { return with(`"ports"`, `"clusterIP": "`+addr+`", "ports"`) }
	l.do("POST", inTeam, asJSON, at("10.0.0.5"))
	before := l.revision()
	for _, tt := range []struct {
		method, path, contentType, body string
		code                            int
		message                         string
	}{
		{"POST", inTeam, asJSON, newWeb, 409, "already exists"},
		{"POST", inTeam, asJSON, with("web", "other"), 201, ""},
		{"POST", inTeam, asJSON, with("80", "80000"), 422, "port"},
		{"POST", inTeam, asJSON, strings.Replace(at("10.9.0.1"), "web", "other", 1), 422, "portal network"},
		{"POST", inTeam, asJSON, strings.Replace(at("10.0.0.5"), "web", "other", 1), 422, "is taken"},
		{"PUT", theWeb, asJSON, with(`"web"`, `"web", "resourceVersion": "1"`), 409, "has been modified"},
		{"PUT", theWeb, asJSON, with("80", "81"), 200, ""},
		{"PUT", theWeb, asJSON, at("10.0.0.14"), 422, "may not change"},
		{"PUT", inTeam + "/other", asJSON, with("web", "other"), 404, "not found"},
		{"PATCH", theWeb, asMerge, `{"spec": {"ports": [{"port": 82}]}}`, 200, ""},
		{"PATCH", theWeb, asMerge, `{"spec": {"ports": [{"port": 80000}]}}`, 422, "port"},
		{"DELETE", theWeb, asJSON, "", 200, ""},
		{"DELETE", theWeb, asJSON, `{"preconditions": {"resourceVersion": "1"}}`, 409, "has been modified"},
		{"DELETE", inTeam + "/other", asJSON, "", 404, "not found"},
		{"DELETE", inTeam, asJSON, "", 200, ""},
	} {
		code, a := l.do(tt.method, tt.path+"?dryRun=All", tt.contentType, tt.body)
		if code != tt.code || !strings.Contains(a.Message, tt.message) {
			t.Errorf("%s %s %s: %d: %s; want %d: %s", tt.method, tt.path, tt.body, code, a.Message, tt.code, tt.message)
		}
		if code < 300 && tt.method != "DELETE" && (!strings.HasPrefix(a.Spec.ClusterIP, "10.0.0.") || a.Metadata.UID == "") {
			t.Errorf("%s %s: it has no portal IP, or no UID: %+v", tt.method, tt.path, a)
		}
	}
	if code, _ := l.do("DELETE", theWeb, asJSON, `{"dryRun": ["All"]}`); code != http.StatusOK {
		t.Errorf("a delete whose body says that it is a dry run: %d", code)
	}
	if now := l.revision(); now != before {
		t.Errorf("etcd was at %d, and is at %d", before, now)
	}
}

// revision returns that of etcd.
func (l *live) revision() int64 {
	l.t.Helper()
	response, err := l.client.Get(l.t.Context(), "/nothing")
	if err != nil {
		l.t.Fatal(err)
	}
	return response.Header.Revision
}
