package apistatus_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apistatus"
)

func TestWrite(t *testing.T) {
	always := map[string]string{"Content-Type": "application/json", "Cache-Control": "no-cache, private", "X-Content-Type-Options": "nosniff"}
	for name, tt := range map[string]struct {
		status metav1.Status
		code   int
		header map[string]string // beside what is always there
		body   string
	}{
		"plain": {
			apistatus.Unavailable("no endpoints available for service %q", "x").Status(), 503, nil,
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"no endpoints available for service \"x\"","reason":"ServiceUnavailable","code":503}`,
		},
		"with an object": {
			apistatus.New(404, metav1.StatusReasonNotFound, `services "x" not found`).About("services", "x").Status(), 404, nil,
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"x\" not found","reason":"NotFound","details":{"name":"x","kind":"services"},"code":404}`,
		},
		"for who hasn't said who it is": {
			apistatus.New(401, metav1.StatusReasonUnauthorized, "Unauthorized").Status(), 401, map[string]string{"WWW-Authenticate": `Bearer realm="svcreg"`},
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`,
		},
		"for later": {
			apierrors.NewTooManyRequests("later", 7).Status(), 429, map[string]string{"Retry-After": "7"},
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"later","reason":"TooManyRequests","details":{"retryAfterSeconds":7},"code":429}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			apistatus.Write(w, tt.status)
			want := http.Header{}
			for _, some := range []map[string]string{always, tt.header} {
				for k, v := range some {
					want.Set(k, v)
				}
			}
			if d := cmp.Diff(want, w.Header()); w.Code != tt.code || d != "" {
				t.Errorf("%d, want %d\n%s", w.Code, tt.code, d)
			}
			if d := cmp.Diff(tt.body+"\n", w.Body.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is about one object leaves the error for others as it was.
func TestAbout(t *testing.T) {
	plain := apistatus.New(404, metav1.StatusReasonNotFound, "not found")
	about := plain.About("pods", "x")
	if plain.Status().Details != nil || about.Error() != "not found" || !apierrors.IsNotFound(about) {
		t.Errorf("%+v, %+v", plain.Status(), about.Status())
	}
}
