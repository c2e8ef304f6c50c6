package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/kube"
)

var small = fleet.Fleet{Services: 30, Endpoints: 2}

// serve starts a server that has the small fleet, and returns a client as the
// kubernetes plugin makes it.
func serve(t *testing.T) (*Server, *kubernetes.Clientset) {
	t.Helper()
	s := New()
	for _, o := range kube.Objects(small, true) {
		if err := s.Put(o); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: web.URL, ContentConfig: rest.ContentConfig{ContentType: contentType}, QPS: 1000, Burst: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.CloseClientConnections)
	return s, client
}

// bounded returns a context that ends in time for a test to say what it waited
// for.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestList(t *testing.T) {
	_, client := serve(t)
	services, err := client.CoreV1().Services("").List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	slicesOf, err := client.DiscoveryV1().EndpointSlices("").List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	namespaces, err := client.CoreV1().Namespaces().List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods, err := client.CoreV1().Pods("").List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 60 || len(services.Items) != 30 || len(slicesOf.Items) != 30 || len(namespaces.Items) != 1 {
		t.Errorf("%d pods, %d services, %d slices, %d namespaces", len(pods.Items), len(services.Items), len(slicesOf.Items), len(namespaces.Items))
	}
	if got := services.Items[4].Spec.ClusterIPs; !slices.Equal(got, []string{"10.96.0.5", "fd00:10:96::5"}) {
		t.Errorf("the fifth service has %v", got)
	}
	if services.ResourceVersion != "121" {
		t.Errorf("the list is of revision %s", services.ResourceVersion)
	}
}

// An informer, which is what the plugin has, syncs and follows changes.
func TestInformer(t *testing.T) {
	s, client := serve(t)
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services().Lister()
	endpoints := factory.Discovery().V1().EndpointSlices().Lister()
	pods := factory.Core().V1().Pods().Informer()
	t.Cleanup(factory.Shutdown) // after ctx has ended
	ctx := bounded(t)
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			t.Fatalf("%v never synced", kind)
		}
	}
	if n := len(pods.GetStore().List()); n != 60 {
		t.Errorf("%d pods", n)
	}
	probe := small.Service(fleet.ProbePortal)
	for n := range 20 {
		changed := probe.Changed(n).Churned(n)
		if err := s.Put(kube.Service(changed)); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(kube.Slice(changed)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			service, err := services.Services(probe.Namespace).Get(probe.Name)
			return want(service, err, func(o *corev1.Service) string { return o.Spec.ClusterIP }, changed.Portals[0].String())
		})
		eventually(t, func() error {
			slice, err := endpoints.EndpointSlices(probe.Namespace).Get(kube.Slice(probe).Name)
			return want(slice, err, func(o *discoveryv1.EndpointSlice) string { return o.Endpoints[0].Addresses[0] }, changed.Endpoints[0].String())
		})
	}
}

func want[T any](o T, err error, field func(T) string, want string) error {
	if err != nil {
		return err
	}
	if got := field(o); got != want {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	return nil
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// A watch from a revision gets what came after it, and nothing else.
func TestWatchFromRevision(t *testing.T) {
	s, client := serve(t)
	changed := small.Service(3).Changed(1)
	for _, one := range []fleet.Service{small.Service(2).Changed(1), changed} {
		if err := s.Put(kube.Service(one)); err != nil {
			t.Fatal(err)
		}
	}
	w, err := client.CoreV1().Services("").Watch(bounded(t), metav1.ListOptions{ResourceVersion: "122"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	e := <-w.ResultChan()
	service, ok := e.Object.(*corev1.Service)
	if !ok || e.Type != "MODIFIED" || service.Name != changed.Name || service.ResourceVersion != "123" {
		t.Errorf("got %s %+v", e.Type, e.Object)
	}
}

// A watch ends when the time that the client gave is over.
func TestWatchTimeout(t *testing.T) {
	_, client := serve(t)
	began := time.Now()
	w, err := client.CoreV1().Namespaces().Watch(bounded(t), metav1.ListOptions{ResourceVersion: "121", TimeoutSeconds: new(int64(1))})
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := <-w.ResultChan(); ok || time.Since(began) > 15*time.Second {
		t.Errorf("after %v: %+v", time.Since(began), e)
	}
}

func TestRefusals(t *testing.T) {
	s := New()
	for name, tt := range map[string]struct {
		accept, path string
		want         int
	}{
		"JSON alone":     {"application/json", "/api/v1/services", http.StatusNotAcceptable},
		"no such kind":   {contentType, "/api/v1/secrets", http.StatusNotFound},
		"a bad revision": {contentType, "/api/v1/services?watch=true&resourceVersion=x", http.StatusBadRequest},
		"protobuf":       {contentType + ", */*", "/api/v1/services", http.StatusOK},
	} {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.path, nil)
		q.Header.Set("Accept", tt.accept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, q)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
	if err := s.Put(&corev1.Secret{TypeMeta: metav1.TypeMeta{Kind: "Secret"}}); err == nil {
		t.Error("a kind that isn't served was accepted")
	}
}
