package proxyd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// running is a proxyd in mode none.
type running struct {
	t       *testing.T
	config  Config
	stop    context.CancelFunc
	ended   chan error
	healthz string
	metrics string
	log     *registrytest.Log
}

// start runs a proxyd against an etcd until the test ends.
func start(t *testing.T, endpoint, snapshot string) *running {
	t.Helper()
	r := &running{t: t, config: DefaultConfig(), ended: make(chan error, 1), healthz: registrytest.FreeAddress(t), metrics: registrytest.FreeAddress(t), log: &registrytest.Log{}}
	r.config.Etcd.Endpoints = []string{endpoint}
	r.config.ProxyMode, r.config.Snapshot = None, snapshot
	r.config.HealthzListen, r.config.MetricsListen, r.config.API.Listen = r.healthz, r.metrics, ""
	r.config.Controllers.Names = nil
	r.config.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- Run(ctx, r.config) }()
	t.Cleanup(r.end)
	return r
}

// end stops the proxyd, which must return nil.
func (r *running) end() {
	r.t.Helper()
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("Run = %v, want nil; log:\n%s", err, r.log)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatalf("Run does not end; log:\n%s", r.log)
	}
}

// eventually asks until a path answers with a status and a text.
func (r *running) eventually(address, path string, status int, text string) {
	r.t.Helper()
	var got string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			got = err.Error()
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got = resp.Status + " " + string(body); resp.StatusCode == status && strings.Contains(string(body), text) {
			return
		}
	}
	r.t.Fatalf("%s answers %s, want %d with %q; log:\n%s", path, got, status, text, r.log)
}

func put(t *testing.T, e *registrytest.Etcd, key, value string) {
	t.Helper()
	if _, err := e.Client().Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

const (
	redisKey  = "/registry/services/specs/default/redis"
	redisSpec = `{"kind":"Service","apiVersion":"v1beta1","id":"redis","port":6379,"portalIP":"10.0.0.11"}`
)

func TestRunFollowsEtcd(t *testing.T) {
	e := registrytest.StartEtcd(t)
	put(t, e, redisKey, redisSpec)
	r := start(t, e.Endpoint(), "")
	r.eventually(r.healthz, "/readyz", 200, `"synced":true`)
	r.eventually(r.metrics, "/metrics", 200, `proxyd_rules{kind="portal"} 1`)
	r.eventually(r.metrics, "/", 404, "")
	put(t, e, "/registry/services/specs/default/other", strings.NewReplacer("redis", "other", "0.11", "0.12").Replace(redisSpec))
	r.eventually(r.metrics, "/metrics", 200, `proxyd_rules{kind="portal"} 2`)
	put(t, e, "/registry/services/specs/default/other", "garbage")
	r.eventually(r.metrics, "/metrics", 200, "proxyd_registry_decode_failures_total 1")
	r.eventually(r.metrics, "/metrics", 200, `proxyd_rules{kind="portal"} 2`)
	r.end()
}

func TestRunOutlivesEtcd(t *testing.T) {
	e := registrytest.StartEtcd(t)
	put(t, e, redisKey, redisSpec)
	file := filepath.Join(t.TempDir(), "snapshot")
	r := start(t, e.Endpoint(), file)
	r.eventually(r.healthz, "/readyz", 200, `"synced":true`)
	e.Stop()
	r.eventually(r.healthz, "/readyz", 200, `"revision":2`)
	r.eventually(r.healthz, "/healthz", 200, "")
	r.end()

	fromDisk := start(t, e.Endpoint(), file)
	fromDisk.eventually(fromDisk.healthz, "/readyz", 200, `"fromDisk":true`)
	fromDisk.eventually(fromDisk.metrics, "/metrics", 200, `proxyd_rules{kind="portal"} 1`)
	knowsNothing := start(t, e.Endpoint(), "")
	knowsNothing.eventually(knowsNothing.healthz, "/healthz", 200, "")
	knowsNothing.eventually(knowsNothing.healthz, "/readyz", 503, `"ready":false`)

	e.Restart()
	fromDisk.eventually(fromDisk.healthz, "/readyz", 200, `"synced":true`)
	knowsNothing.eventually(knowsNothing.healthz, "/readyz", 200, `"synced":true`)
}

func TestRunRefusesWhatItCannotDo(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"busy health port", func(c *Config) { c.HealthzListen = busy.Addr().String() },
			"--healthz-listen: listen tcp " + busy.Addr().String() + ": bind: address already in use"},
		{"busy metrics port", func(c *Config) { c.MetricsListen = busy.Addr().String() },
			"--metrics-listen: listen tcp " + busy.Addr().String() + ": bind: address already in use"},
		{"invalid", func(c *Config) { c.ProxyMode = "x" }, `--proxy-mode: "x": want iptables, nftables or none`},
		{"no such user file", func(c *Config) { c.EtcdUser = "/nowhere/user" }, "--etcd-user: open /nowhere/user: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			c.ProxyMode, c.HealthzListen, c.MetricsListen, c.API.Listen = None, "", "", ""
			tt.change(&c)
			if err := Run(t.Context(), c); message(err) != tt.want {
				t.Errorf("Run = %v, want %s", err, tt.want)
			}
		})
	}
}

// A listener that dies ends everything, with its error.
func TestRunEndsWithItsServers(t *testing.T) {
	c := DefaultConfig()
	c.ProxyMode, c.MetricsListen, c.API.Listen, c.HealthzListen = None, "", "", registrytest.FreeAddress(t)
	p, err := newProgram(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.servers[0].listener.Close()
	err = errors.Join(p.run(t.Context()), p.close())
	if err == nil || !strings.HasPrefix(err.Error(), "serve on 127.0.0.1:") {
		t.Errorf("run = %v, want the error of the server", err)
	}
}
