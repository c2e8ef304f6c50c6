package apiproxy

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// pathOf parses the path of a request for an object.
func pathOf(t testing.TB, object string) path {
	t.Helper()
	p, ok, err := parsePath(object+"/proxy/", "")
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", object, ok, err)
	}
	return p
}

func TestRoutes(t *testing.T) {
	var r routes
	find := func(manifests, object string) string {
		t.Helper()
		found, err := r.find(registrytest.Snapshot(t, manifests), pathOf(t, object))
		if err != nil {
			return err.Error()
		}
		return found[0].scheme + "://" + found[0].address
	}
	const web = "/api/v1/namespaces/ns/services/web"
	for _, tc := range []struct{ manifests, object, want string }{
		{serviceOf("10.0.0.1:80"), web, "http://10.0.0.1:80"},
		{serviceOf("10.0.0.2:80"), web, "http://10.0.0.2:80"}, // the registry has changed
		{"", web, `services "web" not found`},
	} {
		if got := find(tc.manifests, tc.object); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}

	s := registrytest.Snapshot(t, serviceOf("10.0.0.1:80"))
	for range 2 { // the second time from memory
		for object, want := range map[string]string{
			web: "http://10.0.0.1:80", "/api/v1/namespaces/ns/services/https:web:80": "https://10.0.0.1:80",
			"/api/v1/namespaces/other/services/web": `services "web" not found`,
		} {
			found, err := r.find(s, pathOf(t, object))
			if err != nil && err.Error() != want || err == nil && found[0].scheme+"://"+found[0].address != want {
				t.Errorf("%s: %v, %v; want %s", object, found, err, want)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = r.find(s, pathOf(t, web)) }); n > 5 {
		t.Errorf("%v allocations where nothing has changed", n)
	}
}

func TestRoutesAreBounded(t *testing.T) {
	var r routes
	s := registrytest.Snapshot(t, serviceOf("10.0.0.1:80"))
	for i := range 3 {
		r.remember(s, route{"ns", fmt.Sprint(i)}, make([]target, maxRemembered/2))
	}
	if len(r.targets) != 1 || r.count != maxRemembered/2 {
		t.Errorf("%d routes of %d targets", len(r.targets), r.count)
	}
}

// BenchmarkRoutes is what it takes to find out where a request goes.
func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		var sockets []string
		for i := range n {
			sockets = append(sockets, fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1))
		}
		s := registrytest.Snapshot(b, serviceOf(sockets...))
		p := pathOf(b, "/api/v1/namespaces/ns/services/web")
		var r routes
		var f failures
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found, err := r.find(s, p)
				if err != nil {
					b.Fatal(err)
				}
				f.order(found, time.Time{})
			}
		})
	}
}

// What is remembered keeps no registry in memory.
func TestRoutesKeepNoSnapshot(t *testing.T) {
	var r routes
	freed := make(chan struct{})
	func() {
		s := registrytest.Snapshot(t, serviceOf("10.1.0.1:80"))
		runtime.AddCleanup(s, func(freed chan struct{}) { close(freed) }, freed)
		p, _, _ := parsePath(servicePath+"/", "")
		if found, err := r.find(s, p); err != nil || r.known(s, route{"ns", "web"}) == nil {
			t.Fatalf("%v, %v", found, err)
		}
	}()
	for deadline := time.Now().Add(30 * time.Second); ; runtime.GC() {
		select {
		case <-freed:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the snapshot is still in memory")
		}
	}
}
