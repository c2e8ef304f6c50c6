package codec

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

func addrsOf(texts string) []netip.Addr {
	var list []netip.Addr
	for _, text := range strings.Fields(texts) {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func TestReplaceBalancerIPs(t *testing.T) {
	tests := []struct{ name, stored, out, in, want string }{
		{"v1beta1 has them among its publicIPs",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"new":1.0}`, "", "203.0.113.1",
			`{"apiVersion":"v1beta1","id":"a","kind":"Service","new":1.0,"port":80,"publicIPs":["203.0.113.1"]}`},
		{"what the user wrote stays",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","publicIPs":["198.51.100.1","203.0.113.1"]}`, "203.0.113.1", "203.0.113.2",
			`{"apiVersion":"v1beta1","id":"a","kind":"Service","publicIPs":["198.51.100.1","203.0.113.2"]}`},
		{"a list without any goes",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","PublicIPs":["203.0.113.1"]}`, "203.0.113.1", "",
			`{"apiVersion":"v1beta1","id":"a","kind":"Service"}`},
		{"v1beta3 has them in spec",
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"createExternalLoadBalancer":true}}`, "", "2001:db8::1",
			`{"apiVersion":"v1beta3","kind":"Service","metadata":{"name":"a"},"spec":{"createExternalLoadBalancer":true,"publicIPs":["2001:db8::1"]}}`},
		{"in the list that counts",
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"publicIPs":["198.51.100.1"],"deprecatedPublicIPs":["198.51.100.2"]}}`, "", "203.0.113.1",
			`{"apiVersion":"v1beta3","kind":"Service","metadata":{"name":"a"},"spec":{"deprecatedPublicIPs":["198.51.100.2","203.0.113.1"],"publicIPs":["198.51.100.1"]}}`},
		{"v1 has them in its status",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"}}`, "", "203.0.113.1 2001:db8::1",
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"},{"ip":"2001:db8::1"}]}}}`},
		{"and keeps what else is there",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"status":{"conditions":[],"loadBalancer":{"ingress":[{"hostname":"h"},{"ip":"203.0.113.1","ports":[]},{"ip":"203.0.113.9"}]}}}`, "203.0.113.9", "203.0.113.1",
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"status":{"conditions":[],"loadBalancer":{"ingress":[{"hostname":"h"},{"ip":"203.0.113.1","ports":[]}]}}}`},
		{"nothing out of nothing",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"status":null}`, "203.0.113.9", "",
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"status":null}`},
		{"the same address in other clothes",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"status":{"loadBalancer":{"ingress":[{"ip":"2001:DB8:0::1"}]}}}`, "", "2001:db8::1",
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"status":{"loadBalancer":{"ingress":[{"ip":"2001:DB8:0::1"}]}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := serviceDoc(t, tt.stored)
			d.ReplaceBalancerIPs(addrsOf(tt.out), addrsOf(tt.in))
			got, err := d.JSON()
			if diff := cmp.Diff(tt.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// All but the addresses is stored as it was, byte for byte.
func TestReplaceBalancerIPsVerbatim(t *testing.T) {
	tests := []struct{ name, stored, out, in, want string }{
		{"v1beta1", `{ "kind":"Service", "apiVersion" : "v1beta1","id":"a","port":80,  "new":["\u003c", 1.0]}`, "", "203.0.113.1",
			`{ "kind":"Service", "apiVersion" : "v1beta1","id":"a","port":80,  "new":["\u003c", 1.0], "publicIPs":["203.0.113.1"]}`},
		{"v1beta3", `{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"publicIPs": ["203.0.113.1"], "new": {"b": 1, "a": 2}}}`, "203.0.113.1", "203.0.113.2",
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"publicIPs": ["203.0.113.2"], "new": {"b": 1, "a": 2}}}`},
		{"v1", "{\n\t\"kind\": \"Service\",\n\t\"apiVersion\": \"v1\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n", "", "203.0.113.1",
			"{\n\t\"kind\": \"Service\",\n\t\"apiVersion\": \"v1\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.1\"}]}}\n}\n"},
		{"v1, taken away", `{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}, "new": 1}, "kind": "Service", "apiVersion": "v1"}`, "203.0.113.1", "",
			`{"status": {"loadBalancer": {}, "new": 1}, "kind": "Service", "apiVersion": "v1"}`},
		{"no change", `{ "kind" : "Service", "apiVersion": "v1beta1", "publicIPs":["203.0.113.1"] }`, "", "203.0.113.1",
			`{"apiVersion":"v1beta1","kind":"Service","publicIPs":["203.0.113.1"]}`}, // which nobody stores
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := serviceDoc(t, tt.stored)
			d.ReplaceBalancerIPs(addrsOf(tt.out), addrsOf(tt.in))
			got, err := d.Value()
			if diff := cmp.Diff(tt.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// serviceDoc returns the document of a service's value.
func serviceDoc(t *testing.T, value string) *Document {
	t.Helper()
	d, err := ParseValue(registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "default", Name: "a"}}, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A protobuf value stays one.
func TestReplaceBalancerIPsInProtobuf(t *testing.T) {
	var tr tree
	if err := tr.decode([]byte(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}`)); err != nil {
		t.Fatal(err)
	}
	m := newMessage(registry.KindService, v1)
	if text, err := tr.encode(); err != nil || decodeStrictly(text, m) != nil {
		t.Fatal(err)
	}
	value, err := marshalProtobuf(registry.KindService, v1, m)
	if err != nil {
		t.Fatal(err)
	}
	d := serviceDoc(t, string(value))
	d.ReplaceBalancerIPs(nil, addrsOf("203.0.113.1"))
	if value, err = d.Value(); err != nil || !isProtobuf(value) {
		t.Fatalf("%q, %v", value, err)
	}
	o, err := Decode(d.Ref(), value)
	if err != nil || len(o.(*registry.Service).LoadBalancerIPs) != 1 {
		t.Errorf("%v, %v", o, err)
	}
}

func TestBalancing(t *testing.T) {
	tests := []struct {
		stored string
		want   Balancing
	}{
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"createExternalLoadBalancer":true}`, Balancing{}},
		{`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"loadBalancerIP":"203.0.113.1","loadBalancerClass":"example.org/x"}}`,
			Balancing{Class: "example.org/x", IP: "203.0.113.1"}},
	}
	for _, tt := range tests {
		if got := serviceDoc(t, tt.stored).Balancing(); got != tt.want {
			t.Errorf("%s: %+v", tt.stored, got)
		}
	}
}

func TestTexts(t *testing.T) {
	got, err := Texts("f.yaml", []byte("kind: A\nlist: [1.0, two]\n---\n# nothing\n---\n{\"kind\": \"B\"}\n"))
	var texts []string
	for _, text := range got {
		texts = append(texts, string(text))
	}
	if diff := cmp.Diff([]string{`{"kind":"A","list":[1,"two"]}`, `{"kind":"B"}`}, texts); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"a: 1\na: 2\n": `f.yaml: document 1 (line 1): `,
		"[1]":          `f.yaml: document 1 (line 1): [1]: want an object`,
		"a: 1\n---\n{": `f.yaml: document 2 (line 2): JSON: `,
	} {
		if _, err := Texts("f.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
