package codec

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

func TestIdentify(t *testing.T) {
	tests := []struct{ name, document, want string }{
		{"v1", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"u","creationTimestamp":"2026-01-02T03:04:05Z"}}`},
		{"v1beta1", `{"kind":"Service","apiVersion":"v1beta1","id":"a"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","uid":"u","creationTimestamp":"2026-01-02T03:04:05Z"}`},
		{"what it has stays", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"mine"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"mine","creationTimestamp":"2026-01-02T03:04:05Z"}}`},
		{"null is nothing", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","creationTimestamp":null}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"u","creationTimestamp":"2026-01-02T03:04:05Z"}}`},
	}
	for _, tt := range tests {
		d := mustParse(t, tt.document)
		d.Identify("u", 1767323045)
		if diff := cmp.Diff(jsonOf(t, tt.want), valueOf(t, d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	d := mustParse(t, string(protobufService(t)))
	if d.Identify("u", 1); string(mustValue(t, d)) != string(protobufService(t)) {
		t.Error("protobuf changed")
	}
}

// What isn't a time means that nobody knows, and spoils nothing else.
func TestCreated(t *testing.T) {
	for text, want := range map[string]int64{
		`"2026-01-02T03:04:05Z"`: 1767323045, `"2026-01-02T04:04:05+01:00"`: 1767323045,
		`null`: 0, `""`: 0, `"yesterday"`: 0, `7`: 0,
	} {
		o := mustDecode(t, serviceRef, []byte(`{"kind":"Service","apiVersion":"v1","metadata":{"creationTimestamp":`+text+`}}`))
		if got := o.Metadata().Created; got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
		value, err := Encode(o)
		if err != nil {
			t.Fatal(err)
		}
		again := mustDecode(t, serviceRef, value)
		if got := again.(*registry.Service).Created; got != want {
			t.Errorf("%s comes back as %d", text, got)
		}
	}
}
