package watch

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// patience bounds every wait of a test.
const patience = 30 * time.Second

// notice is one call of Notify.
type notice struct {
	snapshot *registry.Snapshot
	changes  *registry.Changes
}

// applied is one call of Applied.
type applied struct {
	before   *registry.Snapshot
	changes  []registry.Change
	received time.Time
	notices  int // how many had come by then
}

// harness is a Watcher that runs, and what it said.
type harness struct {
	*Watcher
	t    testing.TB
	stop func() // ends Run and waits for it

	mu      sync.Mutex
	notices []notice
	applied []applied
	logs    bytes.Buffer
	changed chan struct{} // closed and made anew with each notice
}

// adjust changes a harness before it runs.
type adjust func(*Config, *Watcher)

// quick makes the Watcher impatient, so that a test needn't be patient. On a
// busy machine it may still lose track of an etcd that is there: a test that
// counts lists or notices is one withSilence(patience).
func quick(_ *Config, w *Watcher) {
	if w != nil {
		w.timing.heartbeat, w.timing.silence, w.timing.page = 50*time.Millisecond, time.Second, 500*time.Millisecond
		w.timing.pauseMost = 100 * time.Millisecond
	}
}

func withFile(file string) adjust {
	return func(c *Config, _ *Watcher) { c.SnapshotFile = file }
}

func withKinds(kinds ...registry.Kind) adjust {
	return func(c *Config, _ *Watcher) { c.Kinds = kinds }
}

// withSilence has the Watcher wait so long for a sign of life, and for a page.
func withSilence(d time.Duration) adjust {
	return func(_ *Config, w *Watcher) {
		if w != nil {
			w.timing.silence, w.timing.page = d, d
		}
	}
}

func withPageSize(n int64) adjust {
	return func(_ *Config, w *Watcher) {
		if w != nil {
			w.timing.pageSize = n
		}
	}
}

// start runs a Watcher until the test ends or stop is called.
func start(t testing.TB, client *clientv3.Client, adjusts ...adjust) *harness {
	t.Helper()
	h := &harness{t: t, changed: make(chan struct{})}
	config := Config{Client: client, Layout: layout(t), Notify: h.notify, Applied: h.apply, Logger: slog.New(slog.NewTextHandler(h, nil))}
	for _, a := range append([]adjust{quick}, adjusts...) {
		a(&config, nil)
	}
	w, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range append([]adjust{quick}, adjusts...) {
		a(&config, w)
	}
	h.Watcher = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	h.stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("Run doesn't return")
		}
	}
	t.Cleanup(h.stop)
	return h
}

func (h *harness) notify(s *registry.Snapshot, c *registry.Changes) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if latest := h.Snapshot(); latest != s {
		h.t.Errorf("Notify has revision %d, Snapshot %d", s.Revision(), latest.Revision())
	}
	h.notices = append(h.notices, notice{s, c})
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *harness) apply(before *registry.Snapshot, changes []registry.Change, received time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied = append(h.applied, applied{before, changes, received, len(h.notices)})
}

// Write collects the log.
func (h *harness) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.Write(line)
}

func (h *harness) log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.String()
}

func (h *harness) history() []notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]notice(nil), h.notices...)
}

// await waits until the snapshot is as wanted, and returns it.
func (h *harness) await(what string, ok func(*registry.Snapshot) bool) *registry.Snapshot {
	h.t.Helper()
	deadline := time.After(patience)
	for {
		h.mu.Lock()
		changed := h.changed
		h.mu.Unlock()
		if s := h.Snapshot(); s != nil && ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-deadline:
			h.t.Fatalf("waited for %s; status %+v; log:\n%s", what, h.Status(), h.log())
		}
	}
}

// awaitStatus waits until the status is as wanted.
func (h *harness) awaitStatus(what string, ok func(Status) bool) Status {
	h.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		if s := h.Status(); ok(s) {
			return s
		}
		if time.Now().After(end) {
			h.t.Fatalf("waited for %s; status %+v; log:\n%s", what, h.Status(), h.log())
		}
	}
}

func (h *harness) awaitSynced() {
	h.t.Helper()
	h.awaitStatus("synced", func(s Status) bool { return s.Synced })
}

// awaitService waits until a service has that portal IP.
func (h *harness) awaitService(name, ip string) *registry.Snapshot {
	h.t.Helper()
	return h.await(name+" at "+ip, func(s *registry.Snapshot) bool { return portalIP(s, name) == ip })
}

// awaitGone waits until there is no such service.
func (h *harness) awaitGone(name string) *registry.Snapshot {
	h.t.Helper()
	return h.await(name+" to be gone", func(s *registry.Snapshot) bool { return s.Service(key(name)) == nil })
}

// portalIP returns a service's portal IP; "" if there is no such service.
func portalIP(s *registry.Snapshot, name string) string {
	e := s.Service(key(name))
	if e == nil || len(e.PortalIPs) == 0 {
		return ""
	}
	return e.PortalIPs[0].String()
}

func key(name string) registry.Key { return registry.Key{Namespace: "my-ns", Name: name} }

func layout(t testing.TB) codec.Layout {
	t.Helper()
	l, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// connect returns a client as the programs have it.
func connect(t testing.TB, endpoints ...string) *clientv3.Client {
	t.Helper()
	client, err := etcd.Connect(etcd.Config{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func startEtcd(t testing.TB) (*registrytest.Etcd, *clientv3.Client) {
	t.Helper()
	e := registrytest.StartEtcd(t)
	return e, connect(t, e.Endpoint())
}

func serviceKey(name string) string   { return "/registry/services/specs/my-ns/" + name }
func endpointsKey(name string) string { return "/registry/services/endpoints/my-ns/" + name }

func serviceValue(name, ip string) string {
	return fmt.Sprintf(`{"kind":"Service","apiVersion":"v1beta1","id":%q,"port":80,"portalIP":%q}`, name, ip)
}

func endpointsValue(name string, endpoints ...string) string {
	return fmt.Sprintf(`{"kind":"Endpoints","apiVersion":"v1beta1","id":%q,"endpoints":["%s"]}`, name, strings.Join(endpoints, `","`))
}

const undecodable = `{"kind":"Service","apiVersion":"v1beta1","id":7`

// putService stores a service.
func putService(t testing.TB, client *clientv3.Client, name, ip string) {
	t.Helper()
	do(t, client, clientv3.OpPut(serviceKey(name), serviceValue(name, ip)))
}

// do runs operations in one transaction, and returns its revision. While the
// members elect a leader it tries again. A try that seems to fail may have been
// carried out, or be later: what all of them put, and no other, is put once.
func do(t testing.TB, client *clientv3.Client, ops ...clientv3.Op) int64 {
	t.Helper()
	done := "/done/" + rand.Text() // outside of every registry
	for end := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		r, err := client.Txn(ctx).If(clientv3.Compare(clientv3.Version(done), "=", 0)).
			Then(append(ops, clientv3.OpPut(done, ""))...).Else(clientv3.OpGet(done)).Commit()
		cancel()
		switch {
		case err == nil && r.Succeeded:
			return r.Header.Revision
		case err == nil:
			return r.Responses[0].GetResponseRange().Kvs[0].ModRevision
		case time.Now().After(end):
			t.Fatal(err)
		}
	}
}
