package codec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

// BenchmarkDecode reads a Service and an Endpoints of five addresses in each
// encoding: what one of 10,000 services costs at start-up.
func BenchmarkDecode(b *testing.B) {
	service := `"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080}],"selector":{"app":"web"}`
	meta := `"uid":"0c5a6d9f-6b2e-4f8b-9f5e-0d3b8e3a1c11","creationTimestamp":"2024-01-01T00:00:00Z","labels":{"app":"web"}`
	var flat, nested []string
	for i := range 5 {
		flat = append(flat, fmt.Sprintf(`"10.244.1.%d:8080"`, i+1))
		nested = append(nested, fmt.Sprintf(`{"ip":"10.244.1.%d","nodeName":"node-1","targetRef":{"kind":"Pod","namespace":"my-ns","name":"web-%d"}}`, i+1, i))
	}
	endpoints := `"subsets":[{"addresses":[` + strings.Join(nested, ",") + `],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]}]`
	values := []struct {
		name  string
		kind  registry.Kind
		value []byte
	}{
		{"Service/v1beta1", registry.KindService, []byte(`{"kind":"Service","apiVersion":"v1beta1","id":"my-service",` + meta + `,"port":80,"containerPort":8080,"portalIP":"10.0.0.11","selector":{"app":"web"}}`)},
		{"Service/v1", registry.KindService, []byte(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"my-service",` + meta + `},"spec":{"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11"],` + service + `}}`)},
		{"Endpoints/v1beta1", registry.KindEndpoints, []byte(`{"kind":"Endpoints","apiVersion":"v1beta1","id":"my-service",` + meta + `,"endpoints":[` + strings.Join(flat, ",") + `]}`)},
		{"Endpoints/v1", registry.KindEndpoints, []byte(`{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"my-service",` + meta + `},` + endpoints + `}`)},
	}
	for _, v := range values {
		r := ref(v.kind, "my-ns", "my-service")
		bench(b, v.name, r, v.value)
		if strings.HasSuffix(v.name, "/v1") {
			bench(b, strings.TrimSuffix(v.name, "v1")+"protobuf", r, toProtobuf(b, r, v.value))
		}
	}
}

func bench(b *testing.B, name string, r registry.Ref, value []byte) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(r, value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func toProtobuf(b *testing.B, r registry.Ref, value []byte) []byte {
	b.Helper()
	m := newMessage(r.Kind, v1)
	if err := decodeStrictly(value, m); err != nil {
		b.Fatal(err)
	}
	binary, err := marshalProtobuf(r.Kind, v1, m)
	if err != nil {
		b.Fatal(err)
	}
	return binary
}
