package codec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// seed is a value for the fuzzers to begin with.
type seed struct {
	ref   registry.Ref
	value []byte
}

// seeds returns a value of each kind in each encoding.
func seeds(tb testing.TB) []seed {
	tb.Helper()
	texts := map[registry.Kind][]string{
		registry.KindService: {
			`{"kind":"Service","apiVersion":"v1beta1","id":"x","port":53,"portName":"dns","protocol":"UDP","containerPort":"dns","selector":{},"portalIP":"10.0.0.11","publicIPs":["198.51.100.1"],"sessionAffinity":"ClientIP"}`,
			`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"x"},"spec":{"portalIP":"None","ports":[{"name":"a","port":1,"targetPort":2,"nodePort":3}],"createExternalLoadBalancer":true}}`,
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"b"}},"spec":{"type":"ExternalName","externalName":"example.org","clusterIPs":["fd00::1"],"healthCheckNodePort":7,"internalTrafficPolicy":"Local"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}}`,
		},
		registry.KindEndpoints: {
			`{"kind":"Endpoints","apiVersion":"v1beta1","id":"x","endpoints":["192.0.2.1:80","[2001:db8::1]:80","db.example.org:80"],"targetRefs":[{"endpoint":"192.0.2.1:80","targetRef":{"kind":"Pod","name":"a"}}]}`,
			`{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"x"},"subsets":[{"addresses":[{"IP":"192.0.2.1"}],"notReadyAddresses":[{"ip":"192.0.2.2"}],"ports":[{"port":80}]},{}]}`,
		},
		registry.KindEndpointSlice: {
			`{"apiVersion":"discovery.k8s.io/v1","metadata":{"labels":{"kubernetes.io/service-name":"x"}},"addressType":"IPv4","endpoints":[{"addresses":["192.0.2.1"],"conditions":{"ready":null}}],"ports":[{"port":80},{}]}`,
			`{"apiVersion":"discovery.k8s.io/v1beta1","metadata":{},"addressType":"FQDN","endpoints":[{"addresses":["a.b"],"topology":{"topology.kubernetes.io/zone":"z"}}]}`,
		},
		registry.KindPod: {
			`{"kind":"Pod","apiVersion":"v1beta1","id":"x","desiredState":{"manifest":{"containers":[{"ports":[{"containerPort":80}]}]}},"currentState":{"Condition":[{"kind":"Ready","status":"Full"}],"host":"n","podIP":"192.0.2.8"}}`,
			`{"kind":"Pod","apiVersion":"v1","metadata":{"deletionTimestamp":"2024-01-01T00:00:00Z"},"spec":{"nodeName":"n","containers":[{"ports":[{"containerPort":80}]}]},"status":{"phase":"Failed","hostIP":"192.0.2.1","podIPs":[{"ip":"192.0.2.8"}]}}`,
		},
		registry.KindNode: {
			`{"kind":"Minion","apiVersion":"v1beta1","id":"x","hostIP":"192.0.2.1","status":{"conditions":[{"kind":"Ready","status":"Full"}]}}`,
			`{"kind":"Node","apiVersion":"v1","metadata":{"labels":{"topology.kubernetes.io/zone":"z"}},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}`,
		},
		registry.KindNamespace:   {`{"kind":"Namespace","apiVersion":"v1","metadata":{"uid":"1","annotations":{"a":"b"}}}`},
		registry.KindServiceCIDR: {`{"apiVersion":"networking.k8s.io/v1","spec":{"cidrs":["10.0.0.0/16","fd00::/108"]}}`},
		registry.KindIPAddress:   {`{"apiVersion":"networking.k8s.io/v1","spec":{"parentRef":{"resource":"services","namespace":"a","name":"b"}}}`},
	}
	var list []seed
	for kind, values := range texts {
		for _, value := range values {
			list = append(list, seed{refOf(kind), []byte(value)})
		}
	}
	return append(list, seed{refOf(registry.KindService), protobufService(tb)})
}

// FuzzDecode: whatever decodes is encoded again, and means the same then. As a
// document it survives too.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(uint8(s.ref.Kind), s.value)
	}
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) {
		r := refOf(kinds[int(kind)%len(kinds)])
		o, err := Decode(r, value)
		if err != nil {
			if o != nil || len(err.Error()) > 8<<10 {
				t.Fatalf("object %v, error of %d bytes", o, len(err.Error()))
			}
			return
		}
		if isProtobuf(value) && !validText(t, o) {
			return // JSON can't hold it, and no apiserver writes it
		}
		if diff := roundTrip(o); diff != "" {
			t.Fatalf("encoded and decoded (-want +got):\n%s", diff)
		}
		checkDocument(t, r, value, o)
	})
}

// validText reports whether all texts of an object are UTF-8.
func validText(t *testing.T, o registry.Object) bool {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return !bytes.Contains(text, []byte(`\ufffd`))
}

// checkDocument checks that a value that decodes is a document of the same
// object, and stays it when it is merged with itself.
func checkDocument(t *testing.T, r registry.Ref, value []byte, want registry.Object) {
	t.Helper()
	d, err := ParseValue(r, value)
	if err != nil {
		return // a field that is there twice
	}
	_ = d.Validate()
	if got, err := d.Object(); err != nil || !cmp.Equal(want, got, ignoreEncoding) {
		t.Fatalf("as a document: %v\n%s", err, cmp.Diff(want, got, ignoreEncoding))
	}
	if err := d.Merge(stored(t, r, value)); err != nil {
		return // protobuf with unknown fields
	}
	if got := mustDecode(t, r, mustValue(t, d)); !cmp.Equal(want, got, ignoreEncoding) {
		t.Fatalf("merged with itself (-want +got):\n%s", cmp.Diff(want, got, ignoreEncoding))
	}
}

// FuzzParseDocuments: no input panics, and what is read as a document can be
// stored and read again.
func FuzzParseDocuments(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s.value)
	}
	paths, err := filepath.Glob("../../examples/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("# two\nkind: Service\napiVersion: v1beta1\nid: a\nport: 80\n---\n{kind: List, apiVersion: v1, items: []}\n...\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := ParseDocuments("file", data)
		if err != nil {
			if documents != nil || !bytes.HasPrefix([]byte(err.Error()), []byte("file: ")) {
				t.Fatalf("%d documents, error %q", len(documents), err)
			}
			return
		}
		for _, d := range documents {
			_ = d.Validate()
			value, err := d.Value()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseValue(d.Ref(), value); err != nil || !again.Equal(d) {
				t.Fatalf("stored as %s: %v", value, err)
			}
		}
	})
}
