package codec

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/svcreg/svcreg/registry"
)

func TestMerge(t *testing.T) {
	tests := []struct{ name, document, stored, want string }{
		{"unknown fields, and those of the server", // v1beta1
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":81}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"uid":"1","creationTimestamp":"2015-01-01T00:00:00Z","resourceVersion":7,"selfLink":"/a","future":{"x":[1.10]}}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":81,"uid":"1","creationTimestamp":"2015-01-01T00:00:00Z","resourceVersion":7,"selfLink":"/a","future":{"x":[1.10]}}`},
		{"a known field left out is gone",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"publicIPs":["198.51.100.1"],"selector":{"a":"b"},"labels":{"a":"b"},"annotations":{"a":"b"},"sessionAffinity":"ClientIP","Protocol":"UDP"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80}`},
		{"what the document says stays",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"future":1,"Other":1}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"future":2,"other":2}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"future":1,"Other":1}`},
		{"but who it is",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"UID":"2","creationTimestamp":"2016-01-01T00:00:00Z"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"uid":"1","creationTimestamp":"2015-01-01T00:00:00Z"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"UID":"1","creationTimestamp":"2015-01-01T00:00:00Z"}`},
		{"v1: at every level, and status",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":81}]}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"1","creationTimestamp":"2024-01-01T00:00:00Z","finalizers":["f"],"labels":{"a":"b"}},"spec":{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack","externalName":"x","type":"ClusterIP"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}},"future":1}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"1","creationTimestamp":"2024-01-01T00:00:00Z","finalizers":["f"]},"spec":{"ports":[{"port":81}],"ipFamilyPolicy":"SingleStack"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}},"future":1}`},
		{"what generators leave empty says nothing",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","creationTimestamp":null},"status":{"loadBalancer":{}}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","creationTimestamp":"2024-01-01T00:00:00Z"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","creationTimestamp":"2024-01-01T00:00:00Z"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}}`},
		{"a status that is written stays",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.2"}]}}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.2"}]}}}`},
		{"metadata and spec that are missing are made for what they carry",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ipFamilies":["IPv4"]}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ipFamilies":["IPv4"]}}`},
		{"Endpoints",
			`{"kind":"Endpoints","apiVersion":"v1beta1","id":"a","endpoints":["192.0.2.1:80"]}`,
			`{"kind":"Endpoints","apiVersion":"v1beta1","id":"a","protocol":"UDP","endpoints":["192.0.2.2:80"],"targetRefs":[],"subsets":[],"uid":"1","future":1}`,
			`{"kind":"Endpoints","apiVersion":"v1beta1","id":"a","endpoints":["192.0.2.1:80"],"uid":"1","future":1}`},
		{"EndpointSlice",
			`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"a"},"addressType":"IPv4","endpoints":[]}`,
			`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1beta1","metadata":{"name":"a","generation":3},"addressType":"IPv4","endpoints":[],"ports":[{"port":80}],"future":1}`,
			`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"a","generation":3},"addressType":"IPv4","endpoints":[],"future":1}`},

		{"from v1beta1 to v1: to the matching places",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"proxyPort":4,"uid":"1","selfLink":"/a","future":1,"portalIP":"10.0.0.11"}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"1","selfLink":"/a"},"spec":{"ports":[{"port":80}],"future":1,"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11"]}}`},
		{"from v1 to v1beta1, and so back",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"1","labels":{"a":"b"}},"spec":{"ports":[{"port":80}],"future":1,"clusterIP":"10.0.0.11"},"status":{"loadBalancer":{}},"top":2}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"uid":"1","future":1,"portalIP":"10.0.0.11","status":{"loadBalancer":{}},"top":2}`},
		{"Endpoints from v1beta1 to v1",
			`{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"a"}}`,
			`{"kind":"Endpoints","apiVersion":"v1beta1","id":"a","endpoints":["192.0.2.1:80"],"uid":"1","future":1}`,
			`{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"a","uid":"1"},"future":1}`},
		{"a minion's status in today's shape",
			`{"kind":"Node","apiVersion":"v1","metadata":{"name":"a"}}`,
			`{"kind":"Minion","apiVersion":"v1beta1","id":"a","hostIP":"192.0.2.1","resources":{"cpu":1},"status":{"conditions":[{"kind":"Ready","status":"Full"}]}}`,
			`{"kind":"Node","apiVersion":"v1","metadata":{"name":"a"},"spec":{"resources":{"cpu":1}},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}],"conditions":[{"type":"Ready","status":"True"}]}}`},
		{"from v1beta3 to v1",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a","uid":"1"},"spec":{"portalIP":"10.0.0.11","publicIPs":["198.51.100.1"],"createExternalLoadBalancer":true,"future":1}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","uid":"1"},"spec":{"ports":[{"port":80}],"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11"],"future":1}}`},

		{"the portal IP that was allocated",
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"portalIP":""}}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"portalIP":"10.0.0.11"}}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"portalIP":"10.0.0.11"}}`},
		{"both of them, where the first is repeated",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.11"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11","fd00::11"]}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11","fd00::11"]}}`},
		{"another portal IP is asked for",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.12"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11","fd00::11"]}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.12"}}`},
		{"made headless",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"portalIP":"None"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"portalIP":"10.0.0.11"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"portalIP":"None"}`},
		{"no longer headless",
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"portalIP":"None"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80}`},
		{"now a name for something else",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"type":"ExternalName","externalName":"example.org"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.11"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"type":"ExternalName","externalName":"example.org"}}`},
		{"now led to something else",
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"type":"ExternalName","externalName":"example.org","ports":[{"port":80}]}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.11"}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"type":"ExternalName","externalName":"example.org","ports":[{"port":80}],"clusterIP":"10.0.0.11","clusterIPs":["10.0.0.11"]}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := mustParse(t, tt.document)
			if err := d.Merge(stored(t, d.Ref(), []byte(tt.stored))); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jsonOf(t, tt.want), valueOf(t, d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again := mustParse(t, string(mustValue(t, d)))
			if err := again.Merge(stored(t, d.Ref(), mustValue(t, d))); err != nil || !again.Equal(d) {
				t.Errorf("merged with itself it is another: %v", err)
			}
		})
	}
}

func TestMergeProtobuf(t *testing.T) {
	t.Run("JSON over protobuf", func(t *testing.T) {
		d := mustParse(t, `{"kind":"Service","apiVersion":"v1beta1","id":"web","namespace":"my-ns","port":81}`)
		if err := d.Merge(stored(t, d.Ref(), protobufService(t))); err != nil {
			t.Fatal(err)
		}
		want := `{"kind":"Service","apiVersion":"v1beta1","id":"web","namespace":"my-ns","port":81,"uid":"1234","portalIP":"10.0.0.9","ipFamilyPolicy":"SingleStack","status":{"loadBalancer":{}}}`
		if diff := cmp.Diff(jsonOf(t, want), valueOf(t, d)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("protobuf over protobuf", func(t *testing.T) {
		d := mustParse(t, string(protobufService(t)))
		d.tree.child("metadata").remove("uid")
		d.SetPortalIPs()
		if err := d.Merge(stored(t, d.Ref(), protobufService(t))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mustDecode(t, d.Ref(), protobufService(t)), mustDecode(t, d.Ref(), mustValue(t, d)), ignoreEncoding); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if !isProtobuf(mustValue(t, d)) {
			t.Error("it is JSON now")
		}
	})
	t.Run("protobuf can't hold what JSON did", func(t *testing.T) {
		d := mustParse(t, string(protobufService(t)))
		err := d.Merge(stored(t, d.Ref(), []byte(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"web"},"spec":{"future":1}}`)))
		if _, ok := errors.AsType[*LossError](err); !ok || !strings.Contains(err.Error(), "future") {
			t.Errorf("error %v", err)
		}
		if got, err := d.Value(); err != nil || string(got) != string(protobufService(t)) {
			t.Errorf("the document changed all the same (%v)", err)
		}
	})
	t.Run("a field of a later release", func(t *testing.T) {
		d := mustParse(t, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"my-ns"}}`)
		before := valueOf(t, d)
		err := d.Merge(stored(t, d.Ref(), futureService(t)))
		if _, ok := errors.AsType[*LossError](err); !ok || !strings.HasPrefix(err.Error(), "Service my-ns/web: ") {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(before, valueOf(t, d)); diff != "" {
			t.Errorf("the document changed all the same:\n%s", diff)
		}
		later := stored(t, d.Ref(), futureService(t))
		if _, err := later.Value(); err != nil {
			t.Errorf("unchanged it is a value still: %v", err)
		}
		later.SetPortalIPs()
		if _, err := later.Value(); err == nil {
			t.Error("it was written without the field")
		}
	})
}

// futureService is protobufService with a field in its spec that no release
// has yet.
func futureService(t *testing.T) []byte {
	t.Helper()
	c := newConversion("", ref(registry.KindService, "my-ns", "web"))
	u := c.readEnvelope(protobufService(t))
	number, wireType, n := protowire.ConsumeTag(u.Raw)
	meta, size := protowire.ConsumeBytes(u.Raw[n:])
	meta = protowire.AppendString(protowire.AppendTag(slices.Clone(meta), 999, protowire.BytesType), "of the future")
	raw := protowire.AppendBytes(protowire.AppendTag(nil, number, wireType), meta)
	u.Raw = append(raw, u.Raw[n+size:]...)
	value, err := u.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(protobufMagic), value...)
}

func TestMergeOfAnother(t *testing.T) {
	d := mustParse(t, `{"kind":"Service","apiVersion":"v1beta1","id":"a"}`)
	if err := d.Merge(stored(t, serviceRef, []byte(`{"id":"b"}`))); err == nil {
		t.Error("it took over the fields of another object")
	}
}

// The stored document can be used again after it was merged from.
func TestMergeSharesNothing(t *testing.T) {
	const value = `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.1"},"future":{"a":{}}}`
	d := mustParse(t, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"}}`)
	from := stored(t, d.Ref(), []byte(value))
	if err := d.Merge(from); err != nil {
		t.Fatal(err)
	}
	d.tree.child("future").child("a").set("b", "c")
	d.SetPortalIPs()
	if diff := cmp.Diff(jsonOf(t, value), valueOf(t, from)); diff != "" {
		t.Error(diff)
	}
}

func TestSetPortalIPs(t *testing.T) {
	tests := []struct{ name, document, one, two, none string }{
		{"v1beta1", `{"kind":"Service","apiVersion":"v1beta1","id":"a","PortalIP":"10.0.0.7"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","portalIP":"10.0.0.1"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a","portalIP":"10.0.0.1"}`,
			`{"kind":"Service","apiVersion":"v1beta1","id":"a"}`},
		{"v1beta3", `{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"}}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"portalIP":"10.0.0.1"}}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"portalIP":"10.0.0.1"}}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{}}`},
		{"v1", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.7","clusterIPs":["10.0.0.7"],"x":1}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"x":1}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"x":1}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"x":1}}`},
	}
	both := addrs("10.0.0.1", "fd00::1")
	for _, tt := range tests {
		for n, want := range []string{tt.none, tt.one, tt.two} {
			d := mustParse(t, tt.document)
			d.SetPortalIPs(both[:n]...)
			if diff := cmp.Diff(jsonOf(t, want), valueOf(t, d)); diff != "" {
				t.Errorf("%s with %d (-want +got):\n%s", tt.name, n, diff)
			}
		}
	}
	d := mustParse(t, string(protobufService(t)))
	d.SetPortalIPs(both...)
	value := mustValue(t, d)
	if got := mustDecode(t, d.Ref(), value).(*registry.Service).PortalIPs; !isProtobuf(value) || !cmp.Equal(got, both, ignoreEncoding) {
		t.Errorf("protobuf %t with %v", isProtobuf(value), got)
	}
}

func TestSetNamespace(t *testing.T) {
	tests := []struct{ document, ref, want string }{
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a"}`, "Service my-ns/a", `{"kind":"Service","apiVersion":"v1beta1","id":"a","namespace":"my-ns"}`},
		{`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"}}`, "Service my-ns/a", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","namespace":"my-ns"}}`},
		{`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","namespace":"other"}}`, "Service other/a", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","namespace":"other"}}`},
		{`{"kind":"Node","apiVersion":"v1","metadata":{"name":"a"}}`, "Node a", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"a"}}`},
	}
	for _, tt := range tests {
		d := mustParse(t, tt.document)
		d.SetNamespace("my-ns")
		if d.Ref().String() != tt.ref || !cmp.Equal(jsonOf(t, tt.want), valueOf(t, d)) {
			t.Errorf("%s became %s: %v", tt.document, d.Ref(), valueOf(t, d))
		}
	}
}

func stored(t *testing.T, r registry.Ref, value []byte) *Document {
	t.Helper()
	d, err := ParseValue(r, value)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustValue(t *testing.T, d *Document) []byte {
	t.Helper()
	value, err := d.Value()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func mustDecode(t *testing.T, r registry.Ref, value []byte) registry.Object {
	t.Helper()
	o, err := Decode(r, value)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// valueOf returns a JSON document's value for comparison.
func valueOf(t *testing.T, d *Document) any { return jsonOf(t, string(mustValue(t, d))) }

func jsonOf(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
