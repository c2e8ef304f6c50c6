package apiproxy

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// BenchmarkProxy compares a Proxy with a bare ReverseProxy over a transport
// that keeps as many connections.
func BenchmarkProxy(b *testing.B) {
	for name, size := range map[string]int{"small": 100, "1MiB": 1 << 20} {
		body := make([]byte, size)
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }))
		defer backend.Close()
		to, err := url.Parse(backend.URL)
		if err != nil {
			b.Fatal(err)
		}
		proxy := New(Config{
			Source:         source{registrytest.Snapshot(b, serviceOf(to.Host))},
			AllowAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Audit:          slog.New(slog.NewJSONHandler(&lines{}, nil)), // a line costs what it costs
		})
		bare := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
			Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256},
		}
		b.Run(name+"/bare", func(b *testing.B) { bench(b, bare, int64(size)) })
		b.Run(name+"/apiproxy", func(b *testing.B) { bench(b, proxy, int64(size)) })
	}
}

func bench(b *testing.B, h http.Handler, size int64) {
	server := httptest.NewServer(h)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}}
	b.SetBytes(size)
	b.ReportAllocs()
	before := cpuTime(b)
	defer func() { b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := client.Get(server.URL + servicePath + "/")
			if err != nil {
				b.Error(err)
				return
			}
			if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
				b.Errorf("%d bytes, %v", n, err)
			}
			res.Body.Close()
		}
	})
}

// cpuTime is what this process has used. Unlike the time that passes it hardly
// depends on what else the machine does; the client's and the backend's share
// is the same for both.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
