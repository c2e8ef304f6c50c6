package proxyd

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// health returns the health of the world.
func (w *world) health() *health {
	return &health{inbox: w.inbox, told: w.told, lateness: maxLateness, registry: func() registryHealth {
		return registryHealth{Synced: true, Revision: w.snapshot.Revision(), leaving: w.leaving}
	}}
}

// ask returns the status and the body of a path.
func (w *world) ask(path string) (int, string) {
	r := httptest.NewRecorder()
	w.health().ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
	return r.Code, strings.TrimSpace(r.Body.String())
}

func (w *world) healthy(what string, healthz, readyz int) {
	w.t.Helper()
	for path, want := range map[string]int{"/healthz": healthz, "/livez": healthz, "/readyz": readyz, "/": 404} {
		if got, body := w.ask(path); got != want {
			w.t.Errorf("%s: %s answers %d %s, want %d", what, path, got, body, want)
		}
	}
}

func TestHealth(t *testing.T) {
	inWorld(t, func(w *world) {
		w.healthy("without a snapshot", 200, 503)
		w.began()
		w.healthy("in step", 200, 200)
		w.pass(24 * time.Hour)
		w.healthy("a day without a change", 200, 200)
		w.kernel.failing(func() error { return errors.New("no") })
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(maxLateness)
		w.healthy("a change that waits", 200, 200)
		w.pass(time.Second)
		w.healthy("a change that waits too long", 503, 200)
		w.kernel.failing(nil)
		w.pass(2 * maxPause)
		w.healthy("in step again", 200, 200)
	})
}

// Load balancers leave a node alone that is about to go; nobody restarts it.
func TestHealthOfANodeThatLeaves(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.leaving = true
		for path, want := range map[string]int{"/healthz": 503, "/livez": 200, "/readyz": 200} {
			if got, body := w.ask(path); got != want || !strings.Contains(body, `"healthy":true,"ready":true,"nodeEligible":false`) {
				t.Errorf("%s answers %d %s, want %d", path, got, body, want)
			}
		}
	})
}

func TestHealthBody(t *testing.T) {
	inWorld(t, func(w *world) {
		_, body := w.ask("/healthz")
		if want := `{"healthy":true,"ready":false,"nodeEligible":true,"registry":{"synced":true,"fromDisk":false,"revision":0}}`; body != want {
			t.Errorf("body %s\nwant %s", body, want)
		}
		w.began()
		_, body = w.ask("/readyz")
		if !strings.HasPrefix(body, `{"healthy":true,"ready":true,"nodeEligible":true,"lastSync":"20`) || !strings.HasSuffix(body, `"revision":1}}`) {
			t.Errorf("body %s", body)
		}
	})
}

// What the metrics say of syncs, pending changes and rules.
func TestMetrics(t *testing.T) {
	inWorld(t, func(w *world) {
		w.metrics.gauge("changes_pending", "", func() float64 { _, n := w.inbox.waiting(); return float64(n) })
		value := func(name string, want float64) {
			t.Helper()
			if got := gaugeValue(t, w.metrics, "proxyd_"+name); got != want {
				t.Errorf("proxyd_%s %v, want %v", name, got, want)
			}
		}
		w.began()
		value("changes_pending", 0)
		value("rules", 1)
		value("sync_failures_total", 0)
		w.kernel.failing(func() error { return errors.New("no") })
		w.write(service("empty", "10.0.0.2", "TCP"))
		w.pass(minPeriod)
		value("sync_failures_total", 1)
		w.write(endpoints("first", "10.1.0.2")) // waits for the next attempt
		w.pass(minPeriod)
		value("changes_pending", 1)
		value("rules", 3) // two of portal IPs, one of which refuses
		last := gaugeValue(t, w.metrics, "proxyd_sync_last_timestamp_seconds")
		w.kernel.failing(nil)
		w.pass(maxPause)
		if now := gaugeValue(t, w.metrics, "proxyd_sync_last_timestamp_seconds"); now <= last {
			t.Errorf("proxyd_sync_last_timestamp_seconds %v, want more than %v", now, last)
		}
	})
}
