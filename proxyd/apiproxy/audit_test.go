package apiproxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAudit(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	h.get(t, "/a%2Fb?token=secret")
	line := h.audit.await(t, 1)[0]
	if client, _, err := net.SplitHostPort(line["client"].(string)); err != nil || client != "127.0.0.1" {
		t.Errorf("client %v", line["client"])
	}
	if line["took"].(float64) <= 0 {
		t.Errorf("took %v", line["took"])
	}
	for _, varying := range []string{"client", "took", "time"} {
		delete(line, varying)
	}
	want := map[string]any{
		"level": "INFO", "msg": "proxied", "method": "GET", "path": servicePath + "/a%2Fb",
		"kind": "Service", "namespace": "ns", "name": "web", "status": 200.0, "bytes": 5.0,
		"endpoint": h.backend.Listener.Addr().String(), "tries": 1.0,
	}
	if d := cmp.Diff(want, line); d != "" {
		t.Error(d)
	}
}

// Every request for the proxy has its line, served or not; others have none.
func TestAuditOnePerRequest(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbro")
		conn.Close()
	})
	send := func(path string) { // an answer may break off
		_, r := h.raw(t, "GET "+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		io.ReadAll(r)
	}
	send("/elsewhere")
	for i, tc := range []struct {
		path   string
		status float64
		err    string
	}{
		{servicePath, 301, ""},
		{"/api/v1/namespaces/ns/services/a:b:c:d/proxy/", 400, `invalid service request "a:b:c:d"`},
		{"/api/v1/namespaces/ns/services/nobody/proxy/", 404, `services "nobody" not found`},
		{servicePath + "/", 200, "the response broke off"},
	} {
		send(tc.path)
		lines := h.audit.await(t, i+1)
		line := lines[len(lines)-1]
		if err, _ := line["err"].(string); len(lines) != i+1 || line["status"] != tc.status || err != tc.err {
			t.Errorf("%s: %d lines, %v", tc.path, len(lines), line)
		}
	}
}

// A response that broke off at the endpoint doesn't end well at the client.
func TestBrokenResponse(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbro\r\n")
		conn.Close()
	})
	_, r := h.raw(t, "GET "+servicePath+"/ HTTP/1.1\r\nHost: h\r\n\r\n")
	if all, _ := io.ReadAll(r); strings.HasSuffix(string(all), "0\r\n\r\n") {
		t.Errorf("%q", all)
	}
}

// A client that goes ends the request at the endpoint.
func TestClientGone(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+servicePath+"/", nil)
	go func() {
		<-began
		cancel()
	}()
	if _, err := http.DefaultTransport.RoundTrip(r); err == nil {
		t.Error("there is an answer")
	}
	<-ended
	if line := h.audit.await(t, 1)[0]; line["status"] != float64(statusGone) {
		t.Errorf("%v", line)
	}
}

// A client that has ended its half is told nothing that isn't true.
func TestClientHalfGone(t *testing.T) {
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	for _, request := range []string{"GET %s/ HTTP/1.1\r\nHost: h\r\n\r\n", "POST %s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf"} {
		conn, r := h.raw(t, strings.ReplaceAll(request, "%s", servicePath))
		conn.(*net.TCPConn).CloseWrite()
		if all, _ := io.ReadAll(r); len(all) > 0 {
			t.Errorf("%.4s: answered %q", request, all)
		}
	}
	for _, line := range h.audit.await(t, 2) {
		if line["status"] != float64(statusGone) {
			t.Errorf("%v", line)
		}
	}
}
