package events

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// counted returns how many events were dropped for a reason.
func counted(t *testing.T, r *Recorder, reason string) float64 {
	t.Helper()
	return registrytest.Metric(t, r.metrics.dropped.WithLabelValues(reason))
}

// world is an etcd, and a Recorder that writes to it.
type world struct {
	*testing.T
	etcd   *registrytest.Etcd
	client *clientv3.Client
	reader Reader
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, etcd: registrytest.StartEtcd(t)}
	w.client = w.etcd.Client()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	w.reader = Reader{w.client, layout}
	return w
}

// own makes the registry svcreg's own, with a service.
func (w *world) own() {
	w.Helper()
	if err := write.New(w.client, w.reader.Layout, write.Options{}).Init(w.Context(), netip.MustParsePrefix("10.0.0.0/24")); err != nil {
		w.Fatal(err)
	}
	w.put("/registry/services/specs/my-ns/web", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "my-ns", "uid": "u1"}, "spec": {"ports": [{"port": 80}]}}`)
}

func (w *world) put(key, value string) {
	w.Helper()
	if _, err := w.client.Put(w.Context(), key, value); err != nil {
		w.Fatal(err)
	}
}

// start starts the Recorder.
func (w *world) start() *Recorder {
	w.Helper()
	r, err := New(Config{Client: w.client, Layout: w.reader.Layout, Node: "node-1", Registerer: prometheus.NewRegistry()})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(func() { cancel(); running.Wait() })
	return r
}

// eventually waits for some events.
func (w *world) eventually(namespace string, good func([]corev1.Event) bool) []corev1.Event {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		events, _, err := w.reader.List(w.Context(), namespace, "")
		if err == nil && good(events) {
			return events
		}
		if time.Now().After(deadline) {
			w.Fatalf("%v, %+v", err, events)
		}
	}
}

// TestObject is what stands in etcd, where, and for how long.
func TestObject(t *testing.T) {
	w := newWorld(t)
	w.own()
	r := w.start()
	begun := time.Now().Truncate(time.Second)
	r.Source("external").Warning(web, "Unhealthy", "10.1.0.1:80: refused")
	r.Source("external").Warning(web, "Unhealthy", "10.1.0.1:80: refused")
	got := w.eventually("my-ns", func(e []corev1.Event) bool { return len(e) == 1 && e[0].Count == 2 })[0]
	name, number, _ := strings.Cut(got.Name, ".")
	if name != "web" || strings.Trim(number, "0123456789abcdef") != "" || len(number) < 16 || len(got.UID) != 36 {
		t.Errorf("name %s, uid %s", got.Name, got.UID)
	}
	if got.FirstTimestamp.Before(&metav1.Time{Time: begun}) || got.LastTimestamp.Before(&got.FirstTimestamp) || !got.CreationTimestamp.Equal(&got.FirstTimestamp) {
		t.Errorf("times %v, %v, %v", got.CreationTimestamp, got.FirstTimestamp, got.LastTimestamp)
	}
	service, err := w.client.Get(t.Context(), "/registry/services/specs/my-ns/web")
	if err != nil {
		t.Fatal(err)
	}
	want := corev1.Event{
		TypeMeta:   metav1.TypeMeta{Kind: "Event", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "my-ns", Name: got.Name, UID: got.UID, CreationTimestamp: got.CreationTimestamp, ResourceVersion: got.ResourceVersion},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Service", APIVersion: "v1", Namespace: "my-ns", Name: "web", UID: "u1", ResourceVersion: jsonNumber(service.Kvs[0].ModRevision),
		},
		Reason: "Unhealthy", Message: "10.1.0.1:80: refused", Type: "Warning", Count: 2,
		Source:         corev1.EventSource{Component: "external.svcreg.io", Host: "node-1"},
		FirstTimestamp: got.FirstTimestamp, LastTimestamp: got.LastTimestamp,
		ReportingController: "external.svcreg.io", ReportingInstance: "node-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stored, err := w.client.Get(t.Context(), "/registry/events/my-ns/"+got.Name)
	if err != nil || len(stored.Kvs) != 1 || !json.Valid(stored.Kvs[0].Value) {
		t.Fatalf("%v, %v", stored, err)
	}
	lease, err := w.client.TimeToLive(t.Context(), clientv3.LeaseID(stored.Kvs[0].Lease))
	if err != nil || lease.GrantedTTL != 65*60 {
		t.Errorf("lease %+v, %v", lease, err)
	}
}

func jsonNumber(n int64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

// Many events share a lease; one that is gone is replaced.
func TestLeases(t *testing.T) {
	w := newWorld(t)
	w.own()
	r := w.start()
	leases := func() []clientv3.LeaseID {
		list, err := w.client.Leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var ids []clientv3.LeaseID
		for _, l := range list.Leases {
			ids = append(ids, l.ID)
		}
		return ids
	}
	for i := range 10 {
		r.Source("external").Normal(web, "Healthy", strings.Repeat("x", i))
		w.eventually("", func(e []corev1.Event) bool { return len(e) == i+1 })
	}
	ids := leases()
	if len(ids) != 1 {
		t.Fatalf("leases %v", ids)
	}
	if _, err := w.client.Revoke(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	w.eventually("", func(e []corev1.Event) bool { return len(e) == 0 })
	r.Source("external").Normal(web, "Healthy", "again")
	w.eventually("", func(e []corev1.Event) bool { return len(e) == 1 })
	if again := leases(); len(again) != 1 || slices.Equal(again, ids) {
		t.Errorf("leases %v", again)
	}
}

func TestEtcdComesBack(t *testing.T) {
	w := newWorld(t)
	w.own()
	r := w.start()
	w.etcd.Stop()
	r.Source("external").Normal(web, "Healthy", "")
	time.Sleep(2 * settle) // so that it is tried in vain, most likely
	w.etcd.Restart()
	w.eventually("my-ns", func(e []corev1.Event) bool { return len(e) == 1 })
}

// A registry of an apiserver is left alone, also one that becomes one.
func TestForeignInEtcd(t *testing.T) {
	w := newWorld(t)
	w.own()
	r := w.start()
	r.Source("external").Normal(web, "Healthy", "")
	w.eventually("", func(e []corev1.Event) bool { return len(e) == 1 })
	w.put("/registry/masterleases/192.0.2.1", "x")
	r.Source("external").Normal(web, "Healthy", "again")
	for deadline := time.Now().Add(30 * time.Second); counted(t, r, foreign) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not dropped")
		}
	}
	w.eventually("", func(e []corev1.Event) bool { return len(e) == 1 })
}

// TestReader reads what others wrote, too.
func TestReader(t *testing.T) {
	w := newWorld(t)
	raw, err := (&corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "two"}, Reason: "Proto"}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	proto, err := (&runtime.Unknown{TypeMeta: runtime.TypeMeta{Kind: "Event", APIVersion: "v1"}, Raw: raw}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w.put("/registry/events/one/a", `{"reason": "A"}`)
	w.put("/registry/events/two/b", "k8s\x00"+string(proto))
	w.put("/registry/events/two/broken", "{")
	w.put("/registry/events/two/c", `{"reason": "C"}`)
	w.put("/registry/events/two-more/d", `{"reason": "D"}`)
	for _, tt := range []struct{ namespace, name, want string }{
		{"", "", "one/a A, two-more/d D, two/b Proto, two/c C"},
		{"two", "", "two/b Proto, two/c C"},
		{"two", "c", "two/c C"},
		{"two", "d", ""},
	} {
		events, revision, err := w.reader.List(t.Context(), tt.namespace, tt.name)
		if got := texts(events); err != nil || got != tt.want || revision != 6 {
			t.Errorf("%s/%s: %s at %d, %v, want %s", tt.namespace, tt.name, got, revision, err, tt.want)
		}
	}
}

func texts(events []corev1.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.Namespace+"/"+e.Name+" "+e.Reason)
	}
	return strings.Join(all, ", ")
}

func TestReaderPages(t *testing.T) {
	w := newWorld(t)
	want := map[string]bool{}
	for i := range 2*page + 1 {
		name := jsonNumber(int64(i))
		want[name] = true
		w.put("/registry/events/one/"+name, `{}`)
	}
	events, revision, err := w.reader.List(t.Context(), "one", "")
	got := map[string]bool{}
	for _, e := range events {
		got[e.Name] = true
	}
	if err != nil || len(events) != len(want) || !maps.Equal(got, want) || revision != int64(len(want)+1) {
		t.Errorf("%d events at %d, %v", len(events), revision, err)
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	w.put("/registry/events/one/a", `{"reason": "A"}`) // at revision 2
	w.put("/registry/events/one/a", `{"reason": "A2"}`)
	w.put("/registry/events/two/b", `{"reason": "B"}`)
	w.put("/registry/events/one/broken", `{`)
	w.put("/registry/events/one/c", `{"reason": "C"}`)
	if _, err := w.client.Delete(t.Context(), "/registry/events/one/a"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for changes, err := range w.reader.Watch(t.Context(), "one", "", 2) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			got = append(got, jsonOf(c.Event.Name, c.Event.Reason, c.Event.ResourceVersion, c.New, c.Gone))
		}
		if len(got) >= 3 {
			break
		}
	}
	want := []string{`["a","A2","3",false,false]`, `["c","C","6",true,false]`, `["a","A2","7",false,true]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := w.client.Compact(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	for _, err := range w.reader.Watch(t.Context(), "one", "", 2) {
		if !errors.Is(err, ErrCompacted) {
			t.Error(err)
		}
	}
}

func jsonOf(values ...any) string {
	text, _ := json.Marshal(values)
	return string(text)
}

func TestNewNames(t *testing.T) {
	b := newBook("n")
	now := time.Now()
	for i := range 10 {
		b.add(matter{service: registry.Key{Namespace: "ns", Name: "s"}, reason: jsonNumber(int64(i))}, now)
	}
	names := map[string]bool{}
	for _, r := range b.next() {
		names[r.name] = true
	}
	if len(names) != 10 {
		t.Errorf("%d names of 10 events told at once", len(names))
	}
}
