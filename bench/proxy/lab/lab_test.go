package lab

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/proxy/report"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// What svcreg reads of the objects is a service that leads to the backend.
func TestObjects(t *testing.T) {
	backend := netip.MustParseAddrPort("127.0.0.1:23456")
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	found := map[registry.Kind]registry.Object{}
	for _, o := range objects(backend) {
		value, err := kube.Protobuf(o)
		if err != nil {
			t.Fatal(err)
		}
		ref, ok := layout.Ref(kube.Key(o))
		if !ok {
			t.Fatalf("%s is no key of a registry", kube.Key(o))
		}
		if found[ref.Kind], err = codec.Decode(ref, value); err != nil {
			t.Fatal(err)
		}
	}
	s, ok := found[registry.KindService].(*registry.Service)
	if !ok || !strings.Contains(prefix, "/"+s.Namespace+"/services/"+s.Name+"/") || len(s.Ports) != 1 {
		t.Errorf("service: %+v", s)
	}
	e, ok := found[registry.KindEndpointSlice].(*registry.Endpoints)
	if !ok || e.Service != s.Key || len(e.Subsets) != 1 || len(e.Subsets[0].Endpoints) != 1 || e.Subsets[0].Endpoints[0].Addr != backend.Addr() ||
		!e.Subsets[0].Endpoints[0].Ready || e.Subsets[0].Ports[0].Port != backend.Port() || e.Subsets[0].Ports[0].Name != s.Ports[0].Name {
		t.Errorf("endpoints: %+v", e)
	}
}

func TestBodies(t *testing.T) {
	l := &Lab{Config: Config{Small: 5, Large: 1000}, dir: t.TempDir()}
	if err := l.writeBodies(); err != nil {
		t.Fatal(err)
	}
	for b, size := range map[Body]int{Small: 5, Large: 1000} {
		text, err := os.ReadFile(l.Path(string(b)))
		if err != nil || len(text) != size || string(text) != l.body(b) {
			t.Errorf("%s: %q, %v", b, text, err)
		}
	}
}

// A server that answers something else is not measured.
func TestCheck(t *testing.T) {
	l := &Lab{Config: Config{Small: 5, Large: 10}}
	paths := map[string]string{"/small": l.body(Small), "/large": l.body(Large)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if paths[r.URL.Path] == "" {
			http.Error(w, "nothing here", http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, paths[r.URL.Path])
	}))
	defer server.Close()
	s := &Server{Name: report.NGINX, Addr: netip.MustParseAddrPort(server.Listener.Addr().String())}
	if err := l.Check(t.Context(), s); err != nil {
		t.Error(err)
	}
	paths["/large"] = l.body(Small)
	if err := l.Check(t.Context(), s); err == nil || !strings.Contains(err.Error(), "nginx, large: 5 bytes that are not the backend's") {
		t.Errorf("another body: %v", err)
	}
	delete(paths, "/small")
	if err := l.Check(t.Context(), s); err == nil || !strings.Contains(err.Error(), "502 Bad Gateway: nothing here") {
		t.Errorf("an error: %v", err)
	}
}

func TestURL(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	for name, want := range map[report.Server]string{
		report.Backend: "http://127.0.0.1:8080/small",
		report.Proxyd:  "http://127.0.0.1:8080/api/v1/namespaces/bench/services/web/proxy/small",
		report.Quiet:   "http://127.0.0.1:8080/api/v1/namespaces/bench/services/web/proxy/small",
	} {
		if got := (&Server{Name: name, Addr: at}).URL("small"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// There are as many connections as files allow, and no more.
func TestConnections(t *testing.T) {
	if n, err := Connections(10); n != 10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	const most = 1 << 40 // more than any kernel has files
	n, err := Connections(most)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err != nil || n <= 0 || uint64(2*n+spare) > limit.Cur || limit.Cur != limit.Max {
		t.Errorf("%d of %+v, %v", n, limit, err)
	}
}
