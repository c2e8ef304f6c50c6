package endpoints

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// fleet is a registry in a real etcd, and controllers on some nodes.
type fleet struct {
	t      *testing.T
	etcd   *registrytest.Etcd
	client *clientv3.Client
	layout codec.Layout
	log    *registrytest.Log

	unchecked bool
	events    *registrytest.Events // nil for nobody
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	etcd := registrytest.StartEtcd(t)
	return &fleet{t: t, etcd: etcd, client: etcd.Client(), layout: layout, log: &registrytest.Log{}}
}

func (f *fleet) init() *fleet {
	f.t.Helper()
	w := write.New(f.client, f.layout, write.Options{})
	if err := w.Init(f.t.Context(), netip.MustParsePrefix("10.0.0.0/24")); err != nil {
		f.t.Fatal(err)
	}
	return f
}

// run runs a controller on a node until the test ends, or stop is called.
func (f *fleet) run(node string) (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		var events Events
		if f.events != nil {
			events = f.events
		}
		err := Run(ctx, Config{
			Events: events,
			Client: f.client, Layout: f.layout, Node: node, SliceSize: 2, TTL: 2 * time.Second, Registerer: prometheus.NewRegistry(), Unchecked: f.unchecked,
			Logger: slog.New(slog.NewTextHandler(f.log, nil)),
		})
		if err != nil {
			f.t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	f.t.Cleanup(stop)
	return stop
}

// put stores the objects of some manifests, as somebody writes them by hand.
func (f *fleet) put(manifests string) {
	f.t.Helper()
	documents, err := codec.ParseDocuments("test.yaml", []byte(manifests))
	for _, d := range documents {
		var value []byte
		if value, err = d.Value(); err == nil {
			_, err = f.client.Put(f.t.Context(), f.layout.Key(d.Ref()), string(value))
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) remove(key string) {
	f.t.Helper()
	response, err := f.client.Delete(f.t.Context(), key)
	if err != nil || response.Deleted != 1 {
		f.t.Fatalf("delete %s: %v, %v", key, response, err)
	}
}

// stored returns all objects of a kind of the namespace my-ns.
func (f *fleet) stored(kind registry.Kind) []*registry.Endpoints {
	f.t.Helper()
	response, err := f.client.Get(f.t.Context(), f.layout.Dir(kind)+"my-ns/", clientv3.WithPrefix())
	if err != nil {
		f.t.Fatal(err)
	}
	var all []*registry.Endpoints
	for _, kv := range response.Kvs {
		ref, _ := f.layout.Ref(string(kv.Key))
		o, err := codec.Decode(ref, kv.Value)
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, o.(*registry.Endpoints))
	}
	return all
}

// identities returns what tells all slices and Endpoints objects from others of
// their names, and complains of those that have no such thing.
func (f *fleet) identities() []string {
	f.t.Helper()
	var all []string
	for _, kind := range []registry.Kind{registry.KindEndpointSlice, registry.KindEndpoints} {
		for _, e := range f.stored(kind) {
			if all = append(all, fmt.Sprint(e.UID, e.Created)); e.UID == "" || time.Since(time.Unix(e.Created, 0)) > time.Hour {
				f.t.Errorf("%s has the UID %q and was created at %d", e.Ref(), e.UID, e.Created)
			}
		}
	}
	return all
}

// state describes all slices and Endpoints objects, a line each.
func (f *fleet) state() []string {
	f.t.Helper()
	var lines []string
	for _, kind := range []registry.Kind{registry.KindEndpointSlice, registry.KindEndpoints} {
		for _, e := range f.stored(kind) {
			line := kind.String() + " " + e.Name
			for _, s := range e.Subsets {
				line += " " + portsText(s.Ports)
				for i := range s.Endpoints {
					line += " [" + endpointText(&s.Endpoints[i]) + "]"
				}
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// until waits for a state.
func (f *fleet) until(what string, want ...string) {
	f.t.Helper()
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = f.state(); slices.Equal(got, want) {
			return
		}
	}
	f.t.Fatalf("%s:\nwant %q\ngot  %q\nlog:\n%s", what, want, got, f.log)
}

func (f *fleet) untilLogged(text string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(f.log.String(), text) {
			return
		}
	}
	f.t.Fatalf("the log has no %q:\n%s", text, f.log)
}

const webService = `{kind: Service, apiVersion: v1, metadata: {name: web, namespace: my-ns}, spec: {selector: {app: web}, clusterIP: 10.0.0.10, ports: [{name: http, port: 80, targetPort: http}]}}`

// fleetPod returns a pod of the service web.
func fleetPod(name, ip, node string, ready bool) string {
	status := "False"
	if ready {
		status = "True"
	}
	return fmt.Sprintf("{kind: Pod, apiVersion: v1, metadata: {name: %s, namespace: my-ns, labels: {app: web}}, spec: {nodeName: %s, containers: [{ports: [{name: http, containerPort: 8080}]}]}, "+
		"status: {podIP: %s, conditions: [{type: Ready, status: %q}]}}\n", name, node, ip, status)
}

// What happens to pods, nodes and services is followed, step by step.
func TestFollows(t *testing.T) {
	f := newFleet(t).init()
	f.put(webService + "\n---\n{kind: Node, apiVersion: v1, metadata: {name: n1, labels: {topology.kubernetes.io/zone: z1}}}\n---\n" + fleetPod("a", "192.0.2.1", "n1", true))
	f.run("node-1")
	f.until("what is there at the start",
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1 z1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]")
	born := f.identities()
	for _, e := range f.stored(registry.KindEndpointSlice) {
		if e.Annotations[registry.TriggerAnnotation] != "" {
			t.Errorf("%s has the time of a change that nobody saw", e.Name)
		}
	}

	before := time.Now()
	f.put(fleetPod("b", "192.0.2.2", "n1", false))
	f.until("a pod comes",
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1 z1] [b 192.0.2.2 n1 z1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 n1]")
	if now := f.identities(); !slices.Equal(now, born) {
		t.Errorf("the objects are now %v, were %v", now, born)
	}
	at, err := time.Parse(time.RFC3339Nano, f.stored(registry.KindEndpointSlice)[0].Annotations[registry.TriggerAnnotation])
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("the change was at %v (%v), want after %v", at, err, before)
	}

	f.put(fleetPod("b", "192.0.2.22", "n2", true))
	f.until("it moves and gets ready",
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1 z1] [b 192.0.2.22 ready serving n2]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.22 ready serving n2]")

	f.put("{kind: Node, apiVersion: v1, metadata: {name: n2, labels: {topology.kubernetes.io/zone: z2}}}")
	f.until("its node gets a zone",
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1 z1] [b 192.0.2.22 ready serving n2 z2]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.22 ready serving n2]")

	f.put(strings.Replace(fleetPod("a", "192.0.2.1", "n1", true), "app: web", "app: other", 1))
	f.put(strings.Replace(fleetPod("b", "192.0.2.22", "n2", true), "192.0.2.22", `""`, 1))
	f.until("one has another label, the other loses its address", "EndpointSlice web-pods-0", "Endpoints web")

	f.put(strings.Replace(webService, "selector: {app: web}", "selector: {}", 1))
	f.until("an empty selector", "EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1 z1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]")

	f.remove("/registry/endpointslices/my-ns/web-pods-0")
	f.until("somebody deletes the slice", "EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1 z1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]")

	f.put(strings.Replace(webService, "selector: {app: web}, ", "", 1))
	f.until("no selector")
	f.put(webService)
	f.until("a selector again", "EndpointSlice web-pods-0", "Endpoints web")
	f.remove("/registry/services/specs/my-ns/web")
	f.until("no service")
}

// What others wrote stays as it is, with a selector and without.
func TestOthersObjects(t *testing.T) {
	f := newFleet(t).init()
	const byHand = `{kind: Endpoints, apiVersion: v1, metadata: {name: %s, namespace: my-ns}, subsets: [{addresses: [{ip: 192.0.2.99}], ports: [{port: 1}]}]}` + "\n---\n"
	f.put(fmt.Sprintf(byHand, "web") + fmt.Sprintf(byHand, "manual") + webService + "\n---\n" +
		"{kind: Service, apiVersion: v1, metadata: {name: manual, namespace: my-ns}, spec: {clusterIP: 10.0.0.11, ports: [{port: 1}]}}\n---\n" +
		"{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: web-pods-0, namespace: my-ns}, addressType: IPv4, endpoints: [{addresses: [192.0.2.98]}]}\n---\n" +
		fleetPod("a", "192.0.2.1", "n1", true))
	f.run("node-1")
	want := []string{
		"EndpointSlice web-pods-0  [ 192.0.2.98 ready serving]",
		"EndpointSlice web-pods-1 http:8080/TCP [a 192.0.2.1 ready serving n1]",
		"Endpoints manual :1/TCP [ 192.0.2.99 ready serving]",
		"Endpoints web :1/TCP [ 192.0.2.99 ready serving]",
	}
	f.until("beside what others wrote", want...)
	f.untilLogged("an Endpoints object that somebody wrote")
	f.remove("/registry/services/specs/my-ns/web")
	f.until("the service goes", want[0], want[2], want[3])
}

// Nothing is written where nothing differs: not for what a pod does beside, not
// at a restart, and not for services that others look after.
func TestWritesOnlyDifferences(t *testing.T) {
	f := newFleet(t).init()
	f.put(webService + "\n---\n" + fleetPod("a", "192.0.2.1", "n1", true) + "---\n" + fleetPod("b", "192.0.2.2", "n1", true) + "---\n" + fleetPod("c", "192.0.2.3", "n1", true))
	stop := f.run("node-1")
	settled := []string{
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 ready serving n1]",
		"EndpointSlice web-pods-1 http:8080/TCP [c 192.0.2.3 ready serving n1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 ready serving n1] [c 192.0.2.3 ready serving n1]",
	}
	f.until("at first", settled...)
	revisions := func() (all []int64) {
		response, err := f.client.Get(t.Context(), "/registry/", clientv3.WithPrefix())
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range response.Kvs {
			if strings.Contains(string(kv.Key), "endpoint") {
				all = append(all, kv.ModRevision)
			}
		}
		return all
	}
	before := revisions()
	f.put(strings.Replace(fleetPod("a", "192.0.2.1", "n1", true), "namespace: my-ns", "namespace: my-ns, annotations: {note: said}", 1))
	stop()
	f.run("node-2")
	f.put(fleetPod("c", "192.0.2.33", "n1", true)) // so that something is to be seen
	f.until("after a restart", settled[0], strings.Replace(settled[1], "192.0.2.3 ", "192.0.2.33 ", 1), strings.Replace(settled[2], "192.0.2.3 ", "192.0.2.33 ", 1))
	if after := revisions(); after[0] != before[0] || after[1] == before[1] {
		t.Errorf("revisions %v, were %v: want the second slice to change, and the Endpoints", after, before)
	}
}

// What changed since it was seen is not written over, and nothing of the same
// plan is written then.
func TestWritesOnlyWhatItSaw(t *testing.T) {
	f := newFleet(t).init()
	own := func(name string, revision int64) *registry.Endpoints {
		return &registry.Endpoints{Service: registry.Key{Namespace: "my-ns", Name: "web"}, Meta: registry.Meta{
			Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "my-ns", Name: name}, ModRevision: revision,
			Labels: labels{managedByLabel: Manager, serviceNameLabel: "web"},
		}}
	}
	n := &controller{
		Config: &Config{Client: f.client, Layout: f.layout}, metrics: newMetrics(), writer: write.New(f.client, f.layout, write.Options{}),
	}
	revision, err := n.carryOut(t.Context(), &plan{puts: []*registry.Endpoints{own("a", 0)}})
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string]plan{
		"a new one that is there":   {puts: []*registry.Endpoints{own("b", 0), own("a", 0)}},
		"one that changed":          {puts: []*registry.Endpoints{own("b", 0), own("a", revision-1)}},
		"a deleted one that did so": {puts: []*registry.Endpoints{own("b", 0)}, deletes: []*registry.Endpoints{own("a", revision-1)}},
		"one that is gone":          {puts: []*registry.Endpoints{own("b", 0), own("c", revision)}},
	}
	for what, p := range plans {
		if _, err := n.carryOut(t.Context(), &p); !errors.Is(err, write.ErrChanged) {
			t.Errorf("%s: %v, want that it changed", what, err)
		}
	}
	if got := f.state(); !slices.Equal(got, []string{"EndpointSlice a"}) {
		t.Errorf("there is %q", got)
	}
	if _, err := n.carryOut(t.Context(), &plan{puts: []*registry.Endpoints{own("b", 0)}, deletes: []*registry.Endpoints{own("a", revision)}}); err != nil {
		t.Error(err)
	}
	if got := f.state(); !slices.Equal(got, []string{"EndpointSlice b"}) {
		t.Errorf("there is %q", got)
	}
}

// What an earlier leader left behind is cleared away, and one node leads at a
// time.
func TestTakesOver(t *testing.T) {
	f := newFleet(t).init()
	f.put(webService + "\n---\n" + fleetPod("a", "192.0.2.1", "n1", true))
	stop := f.run("node-1")
	f.run("node-2")
	want := []string{"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1]", "Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]"}
	f.until("by one of them", want...)
	stop()
	f.put(fleetPod("a", "192.0.2.11", "n1", true))
	f.until("by the other", strings.Replace(want[0], "2.1 ", "2.11 ", 1), strings.Replace(want[1], "2.1 ", "2.11 ", 1))
}

func TestOrphans(t *testing.T) {
	f := newFleet(t).init()
	f.put(webService + "\n---\n" + fleetPod("a", "192.0.2.1", "n1", true))
	stop := f.run("node-1")
	f.until("at first", "EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1]", "Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]")
	stop()
	f.remove("/registry/services/specs/my-ns/web")
	f.run("node-1")
	f.until("the service went while nobody led")
}

// An apiserver's registry is left alone, and the log says why.
func TestForeign(t *testing.T) {
	f := newFleet(t)
	f.put(webService + "\n---\n" + fleetPod("a", "192.0.2.1", "n1", true))
	if _, err := f.client.Put(t.Context(), "/registry/masterleases/192.0.2.1", "k8s"); err != nil {
		t.Fatal(err)
	}
	stop := f.run("node-1")
	f.untilLogged("no service gets endpoints from this controller")
	f.untilLogged("masterleases/192.0.2.1 is the lease of a live apiserver")
	f.put(fleetPod("b", "192.0.2.2", "n1", true))
	stop()
	if got := f.state(); len(got) > 0 {
		t.Errorf("it wrote %q", got)
	}
	if n := strings.Count(f.log.String(), "no service gets endpoints"); n != 1 {
		t.Errorf("it said so %d times", n)
	}
}

// An apiserver that comes to life while a node leads ends the writing.
func TestBecomesForeign(t *testing.T) {
	f := newFleet(t).init()
	f.put(webService)
	stop := f.run("node-1")
	f.until("at first", "EndpointSlice web-pods-0", "Endpoints web")
	if _, err := f.client.Put(t.Context(), "/registry/masterleases/192.0.2.1", "k8s"); err != nil {
		t.Fatal(err)
	}
	f.put(fleetPod("b", "192.0.2.2", "n1", true))
	f.untilLogged("no service gets endpoints from this controller")
	stop()
	if got := f.state(); !slices.Equal(got, []string{"EndpointSlice web-pods-0", "Endpoints web"}) {
		t.Errorf("it wrote %q", got)
	}
}

// What etcd's absence kept from being written is written when it is back.
func TestEtcdAway(t *testing.T) {
	f := newFleet(t).init()
	f.put(webService + "\n---\n" + fleetPod("a", "192.0.2.1", "n1", true))
	f.run("node-1")
	want := []string{"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1]", "Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]"}
	f.until("at first", want...)
	f.etcd.Restart()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := f.client.Get(ctx, "x")
		cancel()
		if err == nil {
			break
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	f.put(fleetPod("a", "192.0.2.11", "n1", true))
	f.until("after it", strings.Replace(want[0], "2.1 ", "2.11 ", 1), strings.Replace(want[1], "2.1 ", "2.11 ", 1))
}
