package apiserver_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

func TestOlderVersions(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	tests := []struct{ path, want string }{
		{"/api/v1beta3/namespaces/my-ns/services/web", `{"apiVersion":"v1beta3","kind":"Service",` +
			`"metadata":{"annotations":{"owner":"ops"},"labels":{"team":"blue"},"name":"web","namespace":"my-ns","resourceVersion":"1"},` +
			`"spec":{"portalIP":"10.0.0.11","ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080},{"name":"dns","protocol":"UDP","port":53,"targetPort":53}],` +
			`"selector":{"app":"web"},"sessionAffinity":"None","type":"ClusterIP"},"status":{"loadBalancer":{}}}`},
		{"/api/v1beta1/services/old?namespace=my-ns", `{"apiVersion":"v1beta1","containerPort":6379,"id":"old","kind":"Service","labels":{"team":"red"},"namespace":"my-ns",` +
			`"port":6379,"portalIP":"10.0.0.12","ports":[{"containerPort":6379,"name":"","port":6379,"protocol":"TCP"}],"protocol":"TCP","resourceVersion":2,"selector":{"app":"redis"},"sessionAffinity":"None"}`},
		{"/api/v1beta1/endpoints/web?namespace=my-ns", `{"apiVersion":"v1beta1","endpoints":["10.244.1.1:8080","10.244.1.2:8080","10.244.1.3:8080","10.244.1.4:8080"],` +
			`"id":"web","kind":"Endpoints","namespace":"my-ns","protocol":"TCP","resourceVersion":6,` +
			`"subsets":[{"addresses":[{"IP":"10.244.1.1"},{"IP":"10.244.1.2"},{"IP":"10.244.1.3"},{"IP":"10.244.1.4"}],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]}]}`},
		{"/api/v1beta1/minions/node-1", `{"apiVersion":"v1beta1","id":"node-1","kind":"Minion","labels":{"node-role.kubernetes.io/worker":""},"resourceVersion":9,` +
			`"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.11"}],"conditions":[{"kind":"Ready","status":"Full"}]}}`},
		{"/api/v1beta1/services?namespace=nothing", `{"apiVersion":"v1beta1","items":[],"kind":"ServiceList","resourceVersion":10}`},
		{"/api/v1beta3/namespaces/nothing/services", `{"apiVersion":"v1beta3","items":[],"kind":"ServiceList","metadata":{"resourceVersion":"10"}}`},
		{"/api/v1beta1/services/web?namespace=other", `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"web\" not found","reason":"NotFound","details":{"name":"web","kind":"services"},"code":404}`},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if diff := cmp.Diff(tt.want+"\n", ask(f, http.MethodGet, tt.path, "").Body.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOlderVersionsMeanTheSame reads every object back from every version.
func TestOlderVersionsMeanTheSame(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	paths := map[registry.Kind][]string{
		registry.KindService:   {"/api/v1/services", "/api/v1beta3/services", "/api/v1beta2/services", "/api/v1beta1/services"},
		registry.KindEndpoints: {"/api/v1/endpoints", "/api/v1beta3/endpoints", "/api/v1beta2/endpoints", "/api/v1beta1/ns/my-ns/endpoints"},
		registry.KindPod:       {"/api/v1/pods", "/api/v1beta3/pods", "/api/v1beta2/pods", "/api/v1beta1/pods"},
		registry.KindNode:      {"/api/v1/nodes", "/api/v1beta3/nodes", "/api/v1beta2/minions", "/api/v1beta1/nodes"},
		registry.KindNamespace: {"/api/v1/namespaces", "/api/v1beta3/namespaces", "/api/v1beta2/namespaces", "/api/v1beta1/namespaces"},
	}
	for kind, paths := range paths {
		for _, path := range paths {
			t.Run(path, func(t *testing.T) {
				var list struct{ Items []json.RawMessage }
				w := ask(f, http.MethodGet, path, "")
				if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Items) == 0 {
					t.Fatalf("%v: %s", err, w.Body)
				}
				for _, item := range list.Items {
					same(t, f.snapshot, kind, item)
				}
			})
		}
	}
}

// same compares a value with the object of the registry that it names.
func same(t *testing.T, s *registry.Snapshot, kind registry.Kind, value []byte) {
	t.Helper()
	var names struct {
		ID, Namespace string
		Metadata      struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(value, &names); err != nil {
		t.Fatal(err)
	}
	ref := registry.Ref{Kind: kind, Key: registry.Key{Namespace: names.Namespace + names.Metadata.Namespace, Name: names.ID + names.Metadata.Name}}
	got, err := codec.Decode(ref, value)
	if err != nil {
		t.Fatal(err)
	}
	want := s.Object(ref)
	switch want := want.(type) {
	case *registry.Service: // the ports have a target, and what wasn't there before v1 is lost
		got := got.(*registry.Service)
		for i := range want.Ports {
			want.Ports[i].TargetPort, got.Ports[i].TargetPort = "", ""
			want.Ports[i].NodePort, got.Ports[i].NodePort = 0, 0
		}
		want.ExternalName, got.ExternalName = "", ""
		want.LoadBalancerIPs, got.LoadBalancerIPs = nil, nil
		if want.Type == registry.ExternalName {
			want.Type, got.Type = "", ""
		}
	case *registry.Endpoints:
		for i := range want.Subsets {
			want.Subsets[i].Endpoints = readyOf(want.Subsets[i].Endpoints)
		}
		got := got.(*registry.Endpoints)
		for i := range got.Subsets {
			got.Subsets[i].Endpoints = readyOf(got.Subsets[i].Endpoints)
		}
	}
	ignored := cmp.Options{cmpopts.IgnoreFields(registry.Meta{}, "ModRevision", "CreateRevision", "APIVersion"), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Errorf("%s (-want +got):\n%s", value, diff)
	}
}

func readyOf(all []registry.Endpoint) (ready []registry.Endpoint) {
	for _, e := range all {
		if e.Ready {
			ready = append(ready, e)
		}
	}
	return ready
}

func TestOlderVersionsAreRead(t *testing.T) {
	l := newLive(t)
	for _, path := range []string{"/api/v1beta3/namespaces/team/services", "/api/v1beta1/services?namespace=team"} {
		if code, a := l.do(http.MethodPost, path, asJSON, newWeb); code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", path, code, a.Message)
		}
	}
}

func TestOlderVersionsWatch(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	next := events(t, f, "/api/v1beta3/namespaces/my-ns/services?watch=1&resourceVersion=10")
	f.apply(registry.Put(service("my-ns", "a", 1)))
	expect(t, next, "ADDED Service a 11")
}
