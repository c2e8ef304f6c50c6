package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestHistoryBehind(t *testing.T) {
	known := history{cluster: 1, revision: 10, term: 3}
	tests := []struct {
		name string
		h    history
		want bool
	}{
		{"same", known, false},
		{"later", history{1, 11, 3}, false},
		{"new term", history{1, 10, 4}, false},
		{"older revision", history{1, 9, 3}, true},
		{"older term", history{1, 12, 2}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := known.behind(test.h); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// An etcd of the same cluster ID that has lost its data, as when somebody
// restores an empty backup, is at a smaller revision. A watch there would wait
// forever for the revisions to come.
func TestEtcdWentBack(t *testing.T) {
	e, client := startEtcd(t)
	for i := range 20 {
		putService(t, client, "old", fmt.Sprintf("10.0.0.%d", i+1))
	}
	putService(t, client, "both", "10.0.1.1")
	h := start(t, client)
	h.awaitService("old", "10.0.0.20")
	h.awaitSynced()
	cluster := h.Status().ClusterID

	e.Reset()
	putService(t, e.Client(), "both", "10.0.1.2")
	h.awaitService("both", "10.0.1.2")
	if s := h.awaitGone("old"); s.Revision() > 20 {
		t.Errorf("revision %d, want one of the new etcd", s.Revision())
	}
	h.awaitSynced()
	putService(t, client, "new", "10.0.1.3")
	h.awaitService("new", "10.0.1.3")
	if got := h.Status().ClusterID; got != cluster {
		t.Errorf("cluster ID %x, before %x: the test wants the same", got, cluster)
	}
	if !strings.Contains(h.log(), "went back in time") {
		t.Errorf("the log doesn't say why:\n%s", h.log())
	}
}

// After a restore, an object can differ at the revision that it had before.
func TestSameRevisionOtherContent(t *testing.T) {
	e, client := startEtcd(t)
	putService(t, client, "a", "10.0.0.1") // revision 2
	for i := range 5 {
		putService(t, client, "b", fmt.Sprintf("10.0.1.%d", i+1))
	}
	h := start(t, client)
	h.awaitService("a", "10.0.0.1")
	h.awaitSynced()
	before := h.Snapshot().Service(key("a")).ModRevision
	e.Reset()
	putService(t, e.Client(), "a", "10.0.0.2")
	s := h.awaitService("a", "10.0.0.2")
	if got := s.Service(key("a")).ModRevision; got != before {
		t.Errorf("revision %d, want %d: else this tests nothing", got, before)
	}
}

// The address leads to another cluster all of a sudden; its revision is larger.
func TestEtcdReplaced(t *testing.T) {
	one, two := registrytest.StartEtcd(t), registrytest.StartEtcd(t)
	putService(t, one.Client(), "one", "10.0.0.1")
	for range 10 {
		putService(t, two.Client(), "two", "10.0.0.2")
	}
	wire := newWire(t, one.Endpoint())
	h := start(t, connect(t, wire.endpoint()), withSilence(patience))
	h.awaitService("one", "10.0.0.1")
	h.awaitSynced()
	cluster := h.Status().ClusterID
	wire.cut()
	wire.mend(two.Endpoint())
	s := h.awaitService("two", "10.0.0.2")
	if s.Service(key("one")) != nil {
		t.Error("the service of the other cluster is still there")
	}
	h.awaitSynced()
	if h.Status().ClusterID == cluster {
		t.Error("the cluster ID didn't change")
	}
	if !strings.Contains(h.log(), "another cluster") {
		t.Errorf("the log doesn't say why:\n%s", h.log())
	}
}

// etcd away: what was known stays, and the status says so. etcd back: what
// happened meanwhile shows.
func TestEtcdStopsAndComesBack(t *testing.T) {
	e, client := startEtcd(t)
	putService(t, client, "a", "10.0.0.1")
	h := start(t, client)
	h.awaitService("a", "10.0.0.1")
	h.awaitSynced()
	e.Stop()
	s := h.awaitStatus("the loss to show", func(s Status) bool { return !s.Connected && !s.Synced })
	if s.LastError == nil || s.FromDisk {
		t.Errorf("status %+v, want an error", s)
	}
	if portalIP(h.Snapshot(), "a") != "10.0.0.1" {
		t.Error("the service is gone")
	}
	e.Restart()
	do(t, e.Client(), clientv3.OpPut(serviceKey("a"), serviceValue("a", "10.0.0.2")))
	h.awaitService("a", "10.0.0.2")
	h.awaitSynced()
	if n := strings.Count(h.log(), "lost track of etcd"); n != 1 {
		t.Errorf("the loss was logged %d times, want once:\n%s", n, h.log())
	}
}

// Nothing to tell is no reason to lose track: neither after the list nor after
// a reconnect.
func TestQuietEtcd(t *testing.T) {
	e := registrytest.StartEtcd(t)
	putService(t, e.Client(), "a", "10.0.0.1")
	wire := newWire(t, e.Endpoint())
	h := start(t, connect(t, wire.endpoint()), func(_ *Config, w *Watcher) {
		if w != nil {
			w.timing.silence = 100 * time.Millisecond
		}
	})
	h.awaitSynced()
	contacts := func(n int) {
		for range n {
			last := h.Status().LastContact
			h.awaitStatus("contact", func(s Status) bool { return s.LastContact.After(last) })
		}
	}
	contacts(10)
	wire.cut()
	wire.mend(e.Endpoint())
	contacts(10)
	if s := h.Status(); s.Lists > 2 || !s.Synced || !s.Connected {
		t.Errorf("status %+v, want at most one list for each connection", s)
	}
}

func TestNewWantsAllItNeeds(t *testing.T) {
	client := connect(t, "http://127.0.0.1:1")
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"no client", Config{Layout: layout(t)}, "Client is missing"},
		{"no layout", Config{Client: client}, "Layout is missing"},
		{"no kinds", Config{Client: client, Layout: layout(t), Kinds: []registry.Kind{}}, "Kinds is empty"},
		{"kind", Config{Client: client, Layout: layout(t), Kinds: []registry.Kind{registry.KindIPAddress}}, "IPAddress: a snapshot doesn't hold"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestRunOnlyOnce(t *testing.T) {
	h := start(t, connect(t, "http://127.0.0.1:1"))
	h.awaitStatus("Run to begin", func(Status) bool { return h.started.Load() })
	if err := h.Run(t.Context()); err == nil {
		t.Error("Run worked a second time")
	}
}
