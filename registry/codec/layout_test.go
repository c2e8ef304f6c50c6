package codec

import (
	"testing"

	"github.com/svcreg/svcreg/registry"
)

func TestLayoutKeys(t *testing.T) {
	tests := []struct {
		ref registry.Ref
		key string
	}{
		{ref(registry.KindService, "my-ns", "my-service"), "/registry/services/specs/my-ns/my-service"},
		{ref(registry.KindEndpoints, "my-ns", "my-service"), "/registry/services/endpoints/my-ns/my-service"},
		{ref(registry.KindEndpointSlice, "my-ns", "my-service-x7k2p"), "/registry/endpointslices/my-ns/my-service-x7k2p"},
		{ref(registry.KindPod, "my-ns", "web-0"), "/registry/pods/my-ns/web-0"},
		{ref(registry.KindNode, "", "node-1"), "/registry/minions/node-1"},
		{ref(registry.KindNamespace, "", "my-ns"), "/registry/namespaces/my-ns"},
		{ref(registry.KindServiceCIDR, "", "kubernetes"), "/registry/servicecidrs/kubernetes"},
		{ref(registry.KindIPAddress, "", "2001:db8::1"), "/registry/ipaddresses/2001:db8::1"},
	}
	layout := mustLayout(t, "")
	for _, tt := range tests {
		if got := layout.Key(tt.ref); got != tt.key {
			t.Errorf("Key(%s) = %s, want %s", tt.ref, got, tt.key)
		}
		if got, ok := layout.Ref(tt.key); !ok || got != tt.ref {
			t.Errorf("Ref(%s) = %s, %t, want %s", tt.key, got, ok, tt.ref)
		}
		if dir := layout.Dir(tt.ref.Kind); tt.key[:len(dir)] != dir || dir[len(dir)-1] != '/' {
			t.Errorf("Dir(%s) = %s, which %s is not in", tt.ref.Kind, dir, tt.key)
		}
	}
}

func TestLayoutRefOfOtherKeys(t *testing.T) {
	layout := mustLayout(t, "/registry")
	for _, key := range []string{
		"", "/", "/registry", "/registry/", "/other/pods/a/b", "registry/pods/a/b",
		"/registry/pods", "/registry/pods/", "/registry/pods/a", "/registry/pods/a/", "/registry/pods//b", "/registry/pods/a/b/c",
		"/registry/minions/", "/registry/minions/a/b", "/registry/services/specs/a", "/registry/services/other/a/b",
		"/registry/secrets/a/b", "/registry/ranges/serviceips", "/registrypods/a/b",
	} {
		if r, ok := layout.Ref(key); ok {
			t.Errorf("Ref(%q) = %s, want none", key, r)
		}
	}
}

func TestNewLayout(t *testing.T) {
	layout := mustLayout(t, "/fleet/eu-1")
	if got, want := layout.Key(ref(registry.KindPod, "a", "b")), "/fleet/eu-1/pods/a/b"; got != want {
		t.Errorf("Key = %s, want %s", got, want)
	}
	if got := layout.Prefix(); got != "/fleet/eu-1" {
		t.Errorf("Prefix = %s", got)
	}
	if got := mustLayout(t, "").Prefix(); got != DefaultPrefix {
		t.Errorf("the default prefix is %s", got)
	}
	for _, prefix := range []string{"/", "registry", "/registry/", "//registry", "/a//b", "/a/../b", "/a/./b", "/a b", "/a\x00", "/ä"} {
		if _, err := NewLayout(prefix); err == nil {
			t.Errorf("NewLayout(%q) took it", prefix)
		}
	}
}

func mustLayout(t *testing.T, prefix string) Layout {
	t.Helper()
	layout, err := NewLayout(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

func ref(k registry.Kind, namespace, name string) registry.Ref {
	return registry.Ref{Kind: k, Key: registry.Key{Namespace: namespace, Name: name}}
}
