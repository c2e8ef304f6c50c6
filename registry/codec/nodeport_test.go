package codec

import (
	"testing"

	"github.com/svcreg/svcreg/registry"
)

var nodePortRef = registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "default", Name: "a"}}

func TestSetNodePorts(t *testing.T) {
	tests := []struct {
		name, stored string
		ports        []uint16
		check        uint16
		want         string
		changed      bool
	}{
		{"written, and what else is there stays",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80,"new":1.0},{"port":81}],"x":[]}}`, []uint16{30080, 0}, 30081,
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"healthCheckNodePort":30081,"ports":[{"new":1.0,"nodePort":30080,"port":80},{"port":81}],"x":[]}}`, true},
		{"replaced and removed, however they are spelled",
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"Ports":[{"port":80,"NodePort":1},{"port":81,"nodePort":2}],"healthchecknodeport":3}}`, []uint16{4, 0}, 0,
			`{"apiVersion":"v1beta3","kind":"Service","metadata":{"name":"a"},"spec":{"Ports":[{"NodePort":4,"port":80},{"port":81}]}}`, true},
		{"there already",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80,"nodePort":1}]}}`, []uint16{1}, 0,
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"nodePort":1,"port":80}]}}`, false},
		{"v1beta1 has none",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","ports":[{"port":80}]}`, []uint16{1}, 2,
			`{"apiVersion":"v1beta1","id":"a","kind":"Service","ports":[{"port":80}]}`, false},
		{"no ports",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{}}`, []uint16{1}, 0,
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseValue(nodePortRef, []byte(tt.stored))
			if err != nil {
				t.Fatal(err)
			}
			d.SetNodePorts(tt.ports, tt.check)
			got, err := d.Value()
			if err != nil || string(got) != tt.want || d.changed != tt.changed {
				t.Errorf("got %s, changed %v, %v; want %s", got, d.changed, err, tt.want)
			}
		})
	}
}

func TestBalancingAtNodePorts(t *testing.T) {
	for spec, want := range map[string]bool{
		`{"allocateLoadBalancerNodePorts":true}`:  true,
		`{"allocateLoadBalancerNodePorts":false}`: false,
		`{}`: false,
	} {
		d, err := ParseValue(nodePortRef, []byte(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":`+spec+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Balancing().NodePorts; got != want {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
	}
}
