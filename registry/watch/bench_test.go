package watch

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// fleet returns n services with five endpoints each, a hundred in a namespace.
func fleet(n int) []registry.Object {
	var objects []registry.Object
	for i := range n {
		k := registry.Key{Namespace: fmt.Sprintf("ns-%d", i/100), Name: fmt.Sprintf("service-%d", i)}
		meta := registry.Meta{Kind: registry.KindService, Key: k, UID: fmt.Sprintf("%032x", i), Labels: map[string]string{"app": k.Name}, APIVersion: "v1", CreateRevision: int64(i + 1), ModRevision: int64(i + 1)}
		objects = append(objects, &registry.Service{
			Meta: meta, Type: registry.ClusterIP, PortalIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
			Ports:    []registry.Port{{Name: "http", Protocol: registry.TCP, Port: 80, TargetPort: "8080"}},
			Selector: map[string]string{"app": k.Name},
		})
		var endpoints []registry.Endpoint
		for j := range 5 {
			a := 5*i + j
			endpoints = append(endpoints, registry.Endpoint{
				Addr: netip.AddrFrom4([4]byte{172, byte(a >> 16), byte(a >> 8), byte(a)}), Node: fmt.Sprintf("node-%d", a%100), Zone: "zone-a",
				Target: registry.Target{Kind: "Pod", Key: registry.Key{Namespace: k.Namespace, Name: fmt.Sprintf("pod-%d", a)}}, Ready: true, Serving: true,
			})
		}
		meta.Kind = registry.KindEndpoints
		objects = append(objects, &registry.Endpoints{Meta: meta, Service: k, Subsets: []registry.Subset{{
			Endpoints: endpoints, Ports: []registry.EndpointPort{{Name: "http", Protocol: registry.TCP, Port: 8080}},
		}}})
	}
	return objects
}

var sizes = []struct {
	name string
	n    int
}{{"1k", 1_000}, {"10k", 10_000}}

// BenchmarkLoad is a start from disk up to the snapshot that is served.
func BenchmarkLoad(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			d := newDisk(filepath.Join(b.TempDir(), "snapshot"), "/registry", slog.Default(), newTracker())
			d.offer(1, registry.Build(1, fleet(size.n)...))
			d.save()
			b.ReportAllocs()
			for b.Loop() {
				s, err := d.load()
				if err != nil {
					b.Fatal(err)
				}
				(&registry.Snapshot{}).Replace(s.Revision, slices.Values(s.records))
			}
		})
	}
}

// BenchmarkDecodeFile is BenchmarkLoad without building the snapshot.
func BenchmarkDecodeFile(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			data := encoded(b, "/registry", registry.Build(1, fleet(size.n)...))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSave is the work of one save, without the disk.
func BenchmarkSave(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			s := registry.Build(1, fleet(size.n)...)
			b.ReportAllocs()
			for b.Loop() {
				if err := encode(io.Discard, header{"/registry", 1, 1}, s.Records()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkList is a start from an etcd of its own: from Run to the first
// snapshot, of services with an EndpointSlice of five endpoints each.
func BenchmarkList(b *testing.B) {
	for name, encode := range map[string]func(testing.TB, runtime.Object) string{"JSON": toJSON, "protobuf": toProtobuf} {
		for _, size := range sizes {
			b.Run(name+"/"+size.name, func(b *testing.B) {
				client := connect(b, registrytest.Endpoints(registrytest.StartCluster(b, 1)...)...)
				var ops []clientv3.Op
				for i := range size.n {
					service, slice := stored(i)
					ns, name := service.Namespace, service.Name
					ops = append(ops, clientv3.OpPut("/registry/services/specs/"+ns+"/"+name, encode(b, service)),
						clientv3.OpPut("/registry/endpointslices/"+ns+"/"+slice.Name, encode(b, slice)))
				}
				for batch := range slices.Chunk(ops, 100) {
					do(b, client, batch...)
				}
				for b.Loop() {
					h := start(b, client)
					<-h.Ready()
					b.StopTimer()
					h.stop()
					if n := h.Snapshot().Count(registry.KindEndpointSlice); n != size.n {
						b.Fatalf("%d slices, want %d", n, size.n)
					}
					b.StartTimer()
				}
			})
		}
	}
}

// stored returns a service and its slice as an apiserver stores them.
func stored(i int) (*corev1.Service, *discoveryv1.EndpointSlice) {
	meta := metav1.ObjectMeta{
		Namespace: fmt.Sprintf("ns-%d", i/100), Name: fmt.Sprintf("service-%d", i),
		UID: types.UID(fmt.Sprintf("0c5a6d9f-6b2e-4f8b-9f5e-%012x", i)), CreationTimestamp: metav1.Unix(1700000000, 0),
		Labels:        map[string]string{"app": fmt.Sprintf("service-%d", i)},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: "Apply", APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(managed)}},
	}
	ip := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff)
	family := corev1.IPFamilyPolicySingleStack
	service := &corev1.Service{TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Ports:    []corev1.ServicePort{{Name: "http", Protocol: "TCP", Port: 80, TargetPort: intstr.FromInt32(8080)}},
		Selector: meta.Labels, ClusterIP: ip, ClusterIPs: []string{ip}, Type: "ClusterIP", SessionAffinity: "None",
		IPFamilies: []corev1.IPFamily{"IPv4"}, IPFamilyPolicy: &family,
	}}
	meta.Labels = map[string]string{
		"app": meta.Name, "kubernetes.io/service-name": meta.Name,
		"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
	}
	meta.Name += "-x7k2p"
	slice := &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1"}, ObjectMeta: meta, AddressType: "IPv4",
		Ports: []discoveryv1.EndpointPort{{Name: new("http"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(8080))}},
	}
	for j := range 5 {
		a := 5*i + j
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("172.%d.%d.%d", a>>16, a>>8&0xff, a&0xff)},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			NodeName:   new(fmt.Sprintf("node-%d", a%100)), Zone: new("zone-a"),
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: meta.Namespace, Name: fmt.Sprintf("service-%d-7d4b9c6f5-%05x", i, a), UID: types.UID(fmt.Sprintf("0c5a6d9f-6b2e-4f8b-9f5e-%012x", a))},
		})
	}
	return service, slice
}

// managed is what an apiserver notes about who wrote which field.
const managed = `{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:internalTrafficPolicy":{},"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}`

// toJSON returns what svcctl stores.
func toJSON(b testing.TB, o runtime.Object) string {
	m := o.DeepCopyObject()
	m.(metav1.Object).SetManagedFields(nil)
	text, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// toProtobuf returns what an apiserver stores.
func toProtobuf(b testing.TB, o runtime.Object) string {
	raw, err := o.(interface{ Marshal() ([]byte, error) }).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	version, kind := o.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: version, Kind: kind}, Raw: raw}
	value, err := u.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	return "k8s\x00" + string(value)
}
