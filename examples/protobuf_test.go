package examples

import (
	"bytes"
	"flag"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the protobuf examples anew")

// message is a Kubernetes object that can be written as protobuf.
type message interface {
	runtime.Object
	Marshal() ([]byte, error)
}

// The protobuf examples say what testdata/frontend.yaml says, in the bytes that an
// apiserver would have stored.
func TestProtobufExamplesAreTheYAML(t *testing.T) {
	text, err := os.ReadFile("testdata/frontend.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(text, []byte("\n---\n"))
	for i, example := range []struct {
		file string
		into message
	}{
		{"frontend-service.pb", &corev1.Service{}},
		{"frontend-slice.pb", &discoveryv1.EndpointSlice{}},
	} {
		if err := yaml.UnmarshalStrict(documents[i], example.into); err != nil {
			t.Fatalf("frontend.yaml: document %d: %v", i+1, err)
		}
		want := stored(t, example.into)
		if *update {
			if err := os.WriteFile(example.file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := Files.ReadFile(example.file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what testdata/frontend.yaml says (%v); go test ./examples -update writes it anew", example.file, err)
		}
	}
}

// stored returns an object as an apiserver stores it: four bytes of magic,
// then the object wrapped in its type.
func stored(t *testing.T, object message) []byte {
	t.Helper()
	raw, err := object.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	kind := object.GetObjectKind().GroupVersionKind()
	wrapped := runtime.Unknown{
		TypeMeta: runtime.TypeMeta{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind},
		Raw:      raw,
	}
	value, err := wrapped.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("k8s\x00"), value...)
}
