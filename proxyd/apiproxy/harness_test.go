package apiproxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// source is a Source of one snapshot.
type source struct{ snapshot *registry.Snapshot }

func (s source) Snapshot(context.Context, registry.Ref) (*registry.Snapshot, error) {
	return s.snapshot, nil
}

// harness is a Proxy before an endpoint of service ns/web, both on loopback.
type harness struct {
	*httptest.Server
	backend *httptest.Server
	audit   *lines
}

// servicePath is where the harness's service is.
const servicePath = "/api/v1/namespaces/ns/services/web/proxy"

// newHarness starts a Proxy before a backend; configure may change what the
// Proxy is told.
func newHarness(t *testing.T, backend http.HandlerFunc, configure ...func(*Config)) *harness {
	t.Helper()
	b := httptest.NewServer(backend)
	t.Cleanup(b.Close)
	h := newProxy(t, serviceOf(b.Listener.Addr().String()), configure...)
	h.backend = b
	return h
}

// newProxy starts a Proxy over a registry.
func newProxy(t *testing.T, manifests string, configure ...func(*Config)) *harness {
	t.Helper()
	h := &harness{audit: &lines{}}
	c := Config{
		Source:         source{registrytest.Snapshot(t, manifests)},
		AllowAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Audit:          slog.New(slog.NewJSONHandler(h.audit, nil)),
	}
	for _, f := range configure {
		f(&c)
	}
	h.Server = httptest.NewServer(New(c))
	t.Cleanup(h.Close)
	return h
}

// serviceOf is service ns/web at some sockets of loopback or elsewhere.
func serviceOf(sockets ...string) string {
	var subsets []string
	for _, s := range sockets {
		at := netip.MustParseAddrPort(s)
		subsets = append(subsets, fmt.Sprintf(`{addresses: [{ip: %q}], ports: [{port: %d}]}`, at.Addr(), at.Port()))
	}
	return fmt.Sprintf(`
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ns}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: web, namespace: ns}, subsets: [%s]}
`, strings.Join(subsets, ", "))
}

// do sends a request as it is: redirects aren't followed.
func (h *harness) do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// get asks for a path under the service's.
func (h *harness) get(t *testing.T, rest string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+servicePath+rest, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return h.do(t, r)
}

// raw sends bytes, and returns the connection and what is read from it.
func (h *harness) raw(t *testing.T, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// refused returns an address of loopback where nobody listens.
func refused(t *testing.T) string {
	t.Helper()
	return registrytest.FreeAddress(t)
}

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

// await returns the lines once there are n of them.
func (l *lines) await(t *testing.T, n int) (all []map[string]any) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		text := l.String()
		l.mu.Unlock()
		if strings.Count(text, "\n") >= n {
			for line := range strings.Lines(text) {
				m := map[string]any{}
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatal(err)
				}
				all = append(all, m)
			}
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("audit has no %d lines: %s", n, text)
		}
	}
}
