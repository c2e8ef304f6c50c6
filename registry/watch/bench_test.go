package watch

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
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
			if err := d.write(&offer{1, registry.Build(1, fleet(size.n)...)}); err != nil {
				b.Fatal(err)
			}
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

// BenchmarkList is a start from etcd: from Run to the first snapshot.
func BenchmarkList(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			_, client := startEtcd(b)
			var ops []clientv3.Op
			for i := range size.n {
				name := fmt.Sprintf("s%d", i)
				ops = append(ops, clientv3.OpPut(serviceKey(name), serviceValue(name, fmt.Sprintf("10.0.%d.%d", i>>8&0xff, i&0xff))),
					clientv3.OpPut(endpointsKey(name), endpointsValue(name, "172.16.0.1:80", "172.16.0.2:80", "172.16.0.3:80", "172.16.0.4:80", "172.16.0.5:80")))
			}
			for batch := range slices.Chunk(ops, 100) {
				do(b, client, batch...)
			}
			for b.Loop() {
				h := start(b, client)
				<-h.Ready()
				b.StopTimer()
				h.stop()
				b.StartTimer()
			}
		})
	}
}
