package wrk

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	if err := Check(); err != nil {
		t.Skip(err)
	}
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/slow":
			time.Sleep(20 * time.Millisecond)
		case "/wrong":
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	}))
	defer s.Close()
	r, err := Run(t.Context(), t.TempDir(), Load{URL: s.URL + "/slow", Connections: 3, Time: time.Second, Core: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests < 10 || r.Requests > asked.Load() || r.Bytes < 1000*r.Requests || r.Took < 0.9e6 || r.P50 < 20e3 || r.P99 < r.P50 || r.P99 > 5e6 {
		t.Errorf("got %+v of %d requests", r, asked.Load())
	}
	if _, err := Run(t.Context(), t.TempDir(), Load{URL: s.URL + "/wrong", Connections: 1, Time: time.Second}); err == nil || !strings.Contains(err.Error(), "failed") {
		t.Errorf("only errors: %v", err)
	}
}

func TestParse(t *testing.T) {
	for out, want := range map[string]string{
		"":                                    "JSON",
		"unable to connect":                   "invalid character",
		"Running\n" + `{"requests":0}` + "\n": "no request was answered",
		`{"requests":7,"failed":2}`:           "2 requests failed",
	} {
		if _, err := parse([]byte(out)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", out, err, want)
		}
	}
	got, err := parse([]byte("Running 1s test\n  3 threads\n" + `{"requests":7,"bytes":70,"took":5,"p50":1.5,"p99":2.5,"failed":0}` + "\n"))
	if want := (Result{Requests: 7, Bytes: 70, Took: 5, P50: 1.5, P99: 2.5}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}
