package codec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// late is a condition as of the second minute of 1970.
func late(status, message string) registry.Condition {
	return registry.Condition{Type: "x/Good", Status: status, Reason: "R", Message: message, Since: 60}
}

const (
	lateTrue  = `{"lastTransitionTime":"1970-01-01T00:01:00Z","message":"m","reason":"R","status":"True","type":"x/Good"}`
	earlyTrue = `{"lastTransitionTime":"1970-01-01T00:00:00Z","message":"m","reason":"R","status":"True","type":"x/Good"}`
)

// All but the condition is stored as it was, byte for byte.
func TestSetCondition(t *testing.T) {
	tests := []struct {
		name, stored string
		set          registry.Condition
		want         string
	}{
		{"v1beta1", `{ "kind":"Service", "apiVersion" : "v1beta1","id":"a","port":80,  "new":["\u003c", 1.0]}`, late("True", "m"),
			`{ "kind":"Service", "apiVersion" : "v1beta1","id":"a","port":80,  "new":["\u003c", 1.0], "status":{"conditions":[` + lateTrue + `]}}`},
		{"v1beta2", `{"kind":"Service","apiVersion":"v1beta2","id":"a","Status":{"x": 1}}`, late("True", "m"),
			`{"kind":"Service","apiVersion":"v1beta2","id":"a","Status":{"x": 1,"conditions":[` + lateTrue + `]}}`},
		{"v1beta3", `{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"new": 1}, "status": {} }`, late("True", "m"),
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"new": 1}, "status": {"conditions":[` + lateTrue + `]} }`},
		{"v1, beside what else is there", "{\n\t\"kind\": \"Service\",\n\t\"apiVersion\": \"v1\",\n\t\"status\": {\"loadBalancer\": {\"ingress\": [ {} ]}}\n}\n", late("True", "m"),
			"{\n\t\"kind\": \"Service\",\n\t\"apiVersion\": \"v1\",\n\t\"status\": {\"loadBalancer\": {\"ingress\": [ {} ]},\"conditions\":[" + lateTrue + "]}\n}\n"},
		{"beside others' conditions", `{"kind":"Service","apiVersion":"v1","status":{"conditions":[ { "type":"\u0041" , "n":1.0 } ]}}`, late("True", "m"),
			`{"kind":"Service","apiVersion":"v1","status":{"conditions":[ { "type":"\u0041" , "n":1.0 },` + lateTrue + ` ]}}`},
		{"in its place", `{"kind":"Service","apiVersion":"v1","status":{"conditions":[{"type":"A" }, ` + earlyTrue + `,  {"type": "B"}]}}`, late("True", "new"),
			`{"kind":"Service","apiVersion":"v1","status":{"conditions":[{"type":"A" }, ` + strings.Replace(earlyTrue, `"m"`, `"new"`, 1) + `,  {"type": "B"}]}}`},
		{"the status changes", `{"kind":"Service","apiVersion":"v1","status":{"conditions":[` + earlyTrue + `]}}`, late("False", "m"),
			`{"kind":"Service","apiVersion":"v1","status":{"conditions":[` + strings.Replace(lateTrue, "True", "False", 1) + `]}}`},
		{"the generation", `{"kind":"Service","apiVersion":"v1","metadata":{"generation":7},"status":{"conditions":[` + earlyTrue + `]}}`, late("True", "m"),
			`{"kind":"Service","apiVersion":"v1","metadata":{"generation":7},"status":{"conditions":[` + earlyTrue[:len(earlyTrue)-1] + `,"observedGeneration":7}]}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := serviceDoc(t, tt.stored)
			if d.HasCondition(tt.set) {
				t.Error("the condition is there before it is set")
			}
			d.SetCondition(tt.set)
			got, err := d.Value()
			if diff := cmp.Diff(tt.want, string(got)); err != nil || diff != "" {
				t.Fatalf("%v (-want +got):\n%s", err, diff)
			}
			again := serviceDoc(t, string(got))
			if !again.HasCondition(tt.set) {
				t.Error("the condition isn't there after it was set")
			}
			o, err := again.Object()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range o.(*registry.Service).Conditions {
				if c.Since = tt.set.Since; c == tt.set {
					return
				}
			}
			t.Errorf("the model has %+v, want %+v", o.(*registry.Service).Conditions, tt.set)
		})
	}
}

// What is there already isn't written again, whenever that was.
func TestSetConditionAgain(t *testing.T) {
	for _, stored := range []string{
		`{ "kind":"Service","apiVersion":"v1","status":{"conditions":[` + earlyTrue + `]}}`,
		`{ "kind":"Service","apiVersion":"v1beta1","id":"a","status":{"conditions":[` + earlyTrue + `]}}`,
		`{ "kind":"Service","apiVersion":"v1","metadata":{"generation":2},"status":{"conditions":[` + earlyTrue[:len(earlyTrue)-1] + `,"observedGeneration":2}]}}`,
	} {
		d := serviceDoc(t, stored)
		d.SetCondition(late("True", "m"))
		if got, err := d.patched(); err != nil || string(got) != stored || d.changed {
			t.Errorf("%s, %v: want\n%s", got, err, stored)
		}
	}
}

// Protobuf stays protobuf, and says it, too.
func TestSetConditionInProtobuf(t *testing.T) {
	d := stored(t, registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: "web"}}, protobufService(t))
	before, err := d.Object()
	if err != nil {
		t.Fatal(err)
	}
	d.SetCondition(late("False", "m"))
	value, err := d.Value()
	if err != nil || !isProtobuf(value) {
		t.Fatalf("%q, %v", value, err)
	}
	want := before.(*registry.Service)
	want.Conditions = []registry.Condition{late("False", "m")}
	got, err := Decode(d.Ref(), value)
	if diff := cmp.Diff(registry.Object(want), got, ignoreEncoding); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A status that makes no sense is no reason to lose the service.
func TestBadConditions(t *testing.T) {
	for _, stored := range []string{
		`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"status":"fine"}`,
		`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"status":{"conditions":7}}`,
		`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80}]},"status":{"conditions":[{"lastTransitionTime":"now"}]}}`,
		`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"ports":[{"port":80}]},"status":{"conditions":{}}}`,
	} {
		d := serviceDoc(t, stored)
		if o, err := d.Object(); err != nil || len(o.(*registry.Service).Ports) != 1 || o.(*registry.Service).Conditions != nil {
			t.Errorf("%s: %+v, %v", stored, o, err)
		}
		d.SetCondition(late("True", "m"))
		if !d.HasCondition(late("True", "m")) {
			t.Errorf("%s: the condition isn't there", stored)
		}
	}
}

// Conditions are those of the registry, whatever a file says of them.
func TestMergeConditions(t *testing.T) {
	const had = `"status":{"conditions":[` + earlyTrue + `]}`
	versions := map[string]string{
		"v1beta1": `{"kind":"Service","apiVersion":"v1beta1","id":"a"`,
		"v1beta3": `{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"}`,
		"v1":      `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"}`,
	}
	says := map[string]string{
		"nothing":          `}`,
		"an empty status":  `,"status":{"loadBalancer":{}}}`,
		"an old condition": `,"status":{"conditions":[` + strings.Replace(earlyTrue, "True", "False", 1) + `]}}`,
		"an address":       `,"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}}`,
	}
	for from, old := range versions {
		for to, next := range versions {
			for what, text := range says {
				d := serviceDoc(t, next+text)
				if err := d.Merge(serviceDoc(t, old+","+had+"}")); err != nil {
					t.Fatal(err)
				}
				if !d.HasCondition(late("True", "m")) {
					got, _ := d.JSON()
					t.Errorf("%s over %s that says %s: the condition is gone: %s", to, from, what, got)
				}
			}
		}
	}
}
