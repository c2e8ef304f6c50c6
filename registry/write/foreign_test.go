package write_test

import (
	"os"
	"testing"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// protobuf returns an example as an apiserver stores it.
func protobuf(t *testing.T, name string) (string, *codec.Document) {
	t.Helper()
	value, err := os.ReadFile("../../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	documents, err := codec.ParseDocuments(name, value)
	if err != nil {
		t.Fatal(err)
	}
	return string(value), documents[0]
}

func TestForeignRegistry(t *testing.T) {
	service, _ := protobuf(t, "frontend-service.pb")
	tests := []struct {
		name, key, value string
	}{
		{"an apiserver's master lease", "/registry/masterleases/10.9.8.7", "k8s\x00"},
		{"an apiserver's identity lease", "/registry/leases/kube-system/apiserver-abc", "k8s\x00"},
		{"a service of an apiserver that is down", "/registry/services/specs/default/kubernetes", service},
		{"an encrypted service", "/registry/services/specs/z/z", "k8s:enc:aescbc:v1:key1:xyz"},
		{"an apiserver's portal network", "/registry/servicecidrs/kubernetes", "k8s\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			s.put("/registry/services/specs/my-ns/old", v1beta1("old", ""))
			s.put(tt.key, tt.value)
			const reason = "belongs to a Kubernetes"
			err := s.refused(v1beta1("web", `, "portalIP": "None"`), reason, tt.key)
			if !write.IsForeign(err) {
				t.Errorf("%v is not a ForeignError", err)
			}
			s.failed(s.Delete(t.Context(), serviceRef("my-ns", "old")), reason, tt.key)
			s.failed(s.Init(t.Context(), prefixes("10.0.0.0/24")...), reason, tt.key)

			override := s.another(write.Options{WriteToKubernetes: true})
			_, err = applyTo(t.Context(), override, v1beta1("web", `, "portalIP": "None"`))
			s.must(err)
			s.must(override.Delete(t.Context(), serviceRef("my-ns", "old")))
		})
	}
}

// TestForeignComesToLife is about an apiserver that is started on a registry
// that is svcreg's.
func TestForeignComesToLife(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", ""))
	s.put("/registry/masterleases/10.9.8.7", "k8s\x00")
	s.refused(v1beta1("web", `, "labels": {"a": "b"}`), "belongs to a Kubernetes")
	s.remove("/registry/masterleases/10.9.8.7")
	s.want(write.Configured, v1beta1("web", `, "labels": {"a": "b"}`))
}

// TestOwnProtobuf is about protobuf that somebody applied to a registry that
// is svcreg's: it stays svcreg's.
func TestOwnProtobuf(t *testing.T) {
	_, slice := protobuf(t, "frontend-slice.pb")
	_, d := protobuf(t, "frontend-service.pb")
	s := newStore(t)
	_, err := s.Apply(t.Context(), slice)
	s.failed(err, "to store Kubernetes protobuf", "svcctl init")

	s.must(s.Init(t.Context(), prefixes("10.0.0.0/24")...))
	for _, want := range []write.Outcome{write.Created, write.Unchanged} {
		if got, err := s.Apply(t.Context(), d); err != nil || got != want {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
	}
	if value := s.get(s.layout.Key(d.Ref())); value[:4] != "k8s\x00" {
		t.Errorf("protobuf was stored as %q", value)
	}
	if got := s.portalIPs(d.Ref().Namespace, d.Ref().Name); got == "" || s.holder(got) != d.Ref().Key.String() {
		t.Errorf("portal IP %q, held by %q", got, s.holder(got))
	}
	s.want(write.Created, v1beta1("web", ""))
	s.must(s.another(write.Options{}).Delete(t.Context(), d.Ref()))
}

// TestKubernetesAddressesStay is about an IPAddress without a service, which an
// apiserver writes first: in its registry that is no leak.
func TestKubernetesAddressesStay(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.11"`))
	s.remove("/registry/services/specs/my-ns/web")
	override := s.another(write.Options{WriteToKubernetes: true})
	_, err := applyTo(t.Context(), override, v1beta1("other", `, "portalIP": "10.0.0.11"`))
	s.failed(err, "service my-ns/web holds it")
	s.want(write.Created, v1beta1("other", `, "portalIP": "10.0.0.11"`))
}
