package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestFirstListHasManyPages(t *testing.T) {
	_, client := startEtcd(t)
	var want []registry.Key
	for i := range 25 {
		name := fmt.Sprintf("s%d", i)
		putService(t, client, name, fmt.Sprintf("10.0.0.%d", i+1))
		want = append(want, key(name))
	}
	revision := do(t, client, clientv3.OpPut("/registry/pods/my-ns/p", `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}`),
		clientv3.OpPut("/registry/minions/n", `{"kind":"Minion","apiVersion":"v1beta1","id":"n"}`),
		clientv3.OpPut("/registry/namespaces/my-ns", `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"my-ns"}}`),
		clientv3.OpPut("/registry/secrets/my-ns/hidden", `{}`))

	h := start(t, client, withPageSize(10), withSilence(patience))
	<-h.Ready()
	h.awaitSynced()
	slices.SortFunc(want, registry.Key.Compare)
	first := h.history()[0]
	if diff := cmp.Diff(&registry.Changes{
		Services: want, Pods: []registry.Key{key("p")}, Nodes: []registry.Key{{Name: "n"}}, Namespaces: []registry.Key{{Name: "my-ns"}},
	}, first.changes); diff != "" {
		t.Errorf("the first list (-want +got):\n%s", diff)
	}
	if got := first.snapshot.Revision(); got != revision {
		t.Errorf("revision %d, want %d", got, revision)
	}
	for i, k := range want {
		if e := first.snapshot.Service(k); e == nil || e.ModRevision == 0 || e.CreateRevision != e.ModRevision {
			t.Errorf("service %d: %+v", i, e)
		}
	}
	s := h.Status()
	if s.Lists != 1 || s.WatchRestarts != 0 || !s.Connected || s.FromDisk || s.LastError != nil || s.LastContact.IsZero() || s.Revision != revision {
		t.Errorf("status %+v", s)
	}
}

func TestEmptyRegistry(t *testing.T) {
	_, client := startEtcd(t)
	h := start(t, client, withSilence(patience))
	h.awaitSynced()
	if n := h.history(); len(n) != 1 || !n[0].changes.Empty() {
		t.Errorf("notices %+v, want one of an empty list", n)
	}
	putService(t, client, "a", "10.0.0.1")
	h.awaitService("a", "10.0.0.1")
}

func TestEveryChangeInOrder(t *testing.T) {
	_, client := startEtcd(t)
	putService(t, client, "listed", "10.0.1.1") // the list has it; it must not come again
	h := start(t, client, withSilence(patience))
	h.awaitSynced()
	var last int64
	for i := range 50 {
		last = do(t, client, clientv3.OpPut(serviceKey("a"), serviceValue("a", fmt.Sprintf("10.0.0.%d", i+1))))
	}
	h.awaitService("a", "10.0.0.50")
	if got := h.Snapshot().Revision(); got != last {
		t.Errorf("revision %d, want %d", got, last)
	}
	do(t, client, clientv3.OpDelete(serviceKey("a")))
	h.awaitGone("a")
	revision, ip := int64(0), ""
	for _, n := range h.history()[1:] {
		if n.snapshot.Revision() <= revision {
			t.Errorf("revision %d after %d", n.snapshot.Revision(), revision)
		}
		if got := portalIP(n.snapshot, "a"); got == ip {
			t.Errorf("revision %d brought nothing new", n.snapshot.Revision())
		}
		if diff := cmp.Diff(&registry.Changes{Services: []registry.Key{key("a")}}, n.changes); diff != "" {
			t.Errorf("revision %d (-want +got):\n%s", n.snapshot.Revision(), diff)
		}
		revision, ip = n.snapshot.Revision(), portalIP(n.snapshot, "a")
	}
	if s := h.Status(); s.Events != 51 || s.Lists != 1 {
		t.Errorf("status %+v, want 51 events after one list", s)
	}
}

// Whoever looks must never see the service without the endpoints that were
// written together with it.
func TestTransactionIsSeenWhole(t *testing.T) {
	_, client := startEtcd(t)
	h := start(t, client, withSilence(patience))
	h.awaitSynced()
	for i := range 100 {
		ip := fmt.Sprintf("10.0.0.%d", i+1)
		do(t, client, clientv3.OpPut(serviceKey("a"), serviceValue("a", ip)),
			clientv3.OpPut(endpointsKey("a"), endpointsValue("a", ip+":8080")))
	}
	h.awaitService("a", "10.0.0.100")
	for _, n := range h.history()[1:] {
		e := n.snapshot.Service(key("a"))
		backends := e.Backends(e.Ports[0])
		if len(backends) != 1 || backends[0].Addr != e.PortalIPs[0] {
			t.Errorf("revision %d: portal IP %v with backends %v", n.snapshot.Revision(), e.PortalIPs[0], backends)
		}
	}
}

func TestKinds(t *testing.T) {
	_, client := startEtcd(t)
	putService(t, client, "a", "10.0.0.1")
	do(t, client, clientv3.OpPut("/registry/minions/n", `{"kind":"Minion","apiVersion":"v1beta1","id":"n"}`))
	h := start(t, client, withKinds(registry.KindEndpoints, registry.KindNode))
	h.awaitSynced()
	putService(t, client, "b", "10.0.0.2")
	do(t, client, clientv3.OpPut(endpointsKey("a"), endpointsValue("a", "10.1.0.1:80")))
	s := h.await("endpoints", func(s *registry.Snapshot) bool { return s.Count(registry.KindEndpoints) == 1 })
	if s.Count(registry.KindService) != 0 || s.Count(registry.KindNode) != 1 {
		t.Errorf("%d services and %d nodes, want 0 and 1", s.Count(registry.KindService), s.Count(registry.KindNode))
	}
}

// Of a fleet's nodes one may be all that matters.
func TestOneNode(t *testing.T) {
	_, client := startEtcd(t)
	put := func(name, zone string) {
		t.Helper()
		do(t, client, clientv3.OpPut("/registry/minions/"+name, `{"kind":"Node","apiVersion":"v1","metadata":{"labels":{"topology.kubernetes.io/zone":"`+zone+`"}}}`))
	}
	for _, name := range []string{"n", "n1", "n2"} {
		put(name, "a")
	}
	h := start(t, client, withKinds(registry.KindService, registry.KindNode), withSilence(patience), func(c *Config, _ *Watcher) { c.Node = "n1" })
	h.awaitSynced()
	for _, name := range []string{"n1", "n2", "n10", "n"} {
		put(name, "b")
	}
	putService(t, client, "last", "10.0.0.1")
	s := h.await("the last write", func(s *registry.Snapshot) bool { return s.Count(registry.KindService) == 1 && s.Node("n1").Zone == "b" })
	if n := s.Count(registry.KindNode); n != 1 {
		t.Errorf("%d nodes, want one", n)
	}
	if events := h.Status().Events; events != 2 {
		t.Errorf("%d events seen, want the node's and the service's", events)
	}
}

func TestUndecodableKeepsLastGood(t *testing.T) {
	e, client := startEtcd(t)
	putService(t, client, "a", "10.0.0.1")
	putService(t, client, "b", "10.0.0.2")
	h := start(t, client)
	h.awaitService("a", "10.0.0.1")
	h.awaitSynced()

	do(t, client, clientv3.OpPut(serviceKey("a"), undecodable), clientv3.OpPut(serviceKey("new"), undecodable),
		clientv3.OpPut(serviceKey("b"), serviceValue("b", "10.0.0.22")))
	s := h.awaitService("b", "10.0.0.22")
	if got := portalIP(s, "a"); got != "10.0.0.1" {
		t.Errorf("after a bad value the portal IP is %q, want the last good one", got)
	}
	if s.Service(key("new")) != nil {
		t.Error("a service came from a bad value")
	}

	e.Stop() // a list must keep it, too
	h.awaitStatus("the loss to show", func(s Status) bool { return !s.Synced })
	e.Restart()
	h.awaitStatus("another list", func(s Status) bool { return s.Lists >= 2 && s.Synced })
	if got := portalIP(h.Snapshot(), "a"); got != "10.0.0.1" {
		t.Errorf("after another list the portal IP is %q, want the last good one", got)
	}
	st := h.Status()
	if st.DecodeFailures[registry.KindService] != 2 || st.Undecodable != 2 {
		t.Errorf("status %+v, want 2 failures and 2 undecodable", st)
	}
	if n := strings.Count(h.log(), "key="+serviceKey("a")+" "); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, h.log())
	}

	do(t, client, clientv3.OpDelete(serviceKey("a")), clientv3.OpPut(serviceKey("new"), serviceValue("new", "10.0.0.3")))
	h.awaitGone("a")
	h.awaitService("new", "10.0.0.3")
	if st := h.Status(); st.DecodeFailures[registry.KindService] != 2 || st.Undecodable != 0 {
		t.Errorf("status %+v, want 2 failures and none undecodable", st)
	}
}

func TestCompactionWhileAway(t *testing.T) {
	e := registrytest.StartEtcd(t)
	for _, name := range []string{"kept", "changed", "deleted"} {
		putService(t, e.Client(), name, "10.0.0.1")
	}
	wire := newWire(t, e.Endpoint())
	h := start(t, connect(t, wire.endpoint()), withSilence(patience))
	h.awaitService("deleted", "10.0.0.1")
	h.awaitSynced()
	before := len(h.history())

	wire.cut()
	putService(t, e.Client(), "changed", "10.0.0.2")
	putService(t, e.Client(), "added", "10.0.0.3")
	last := do(t, e.Client(), clientv3.OpDelete(serviceKey("deleted")))
	if _, err := e.Client().Compact(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	wire.mend(e.Endpoint())

	h.awaitService("added", "10.0.0.3")
	notices := h.history()[before:]
	if len(notices) != 1 {
		t.Fatalf("%d swaps, want one", len(notices))
	}
	want := &registry.Changes{Services: []registry.Key{key("added"), key("changed"), key("deleted")}}
	if diff := cmp.Diff(want, notices[0].changes); diff != "" {
		t.Errorf("the difference (-want +got):\n%s", diff)
	}
	h.awaitSynced()
	if s := h.Status(); s.Lists != 2 || s.WatchRestarts != 1 {
		t.Errorf("status %+v, want 2 lists and 1 restart", s)
	}
	if !strings.Contains(h.log(), "compacted") {
		t.Errorf("the log doesn't say why:\n%s", h.log())
	}
}

// Changes that came one by one are reported with the time of their arrival,
// once they are in the snapshot; what a list brought is not.
func TestApplied(t *testing.T) {
	_, client := startEtcd(t)
	putService(t, client, "listed", "10.0.0.1")
	h := start(t, client, withSilence(patience))
	h.awaitSynced()
	before := time.Now()
	do(t, client, clientv3.OpPut(serviceKey("a"), serviceValue("a", "10.0.0.2")), clientv3.OpDelete(serviceKey("listed")))
	h.awaitGone("listed")
	h.stop()
	if len(h.applied) != 1 {
		t.Fatalf("reported %+v, want one report", h.applied)
	}
	got := h.applied[0]
	var refs []string
	for _, c := range got.changes {
		refs = append(refs, fmt.Sprint(c.Ref, c.Object != nil))
	}
	if diff := cmp.Diff([]string{fmt.Sprint(registry.Ref{Kind: registry.KindService, Key: key("a")}, true),
		fmt.Sprint(registry.Ref{Kind: registry.KindService, Key: key("listed")}, false)}, refs); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if got.received.Before(before) || got.received.After(time.Now()) {
		t.Errorf("received at %v, written after %v", got.received, before)
	}
	if portalIP(got.before, "listed") == "" || portalIP(got.before, "a") != "" {
		t.Error("before: not the snapshot that was changed")
	}
	if got.notices != 2 {
		t.Errorf("reported after %d notices, want 2", got.notices)
	}
	if s := h.Status(); s.Current.Before(got.received) || s.Current.After(s.LastContact) {
		t.Errorf("current at %v; received at %v, last contact at %v", s.Current, got.received, s.LastContact)
	}
}
