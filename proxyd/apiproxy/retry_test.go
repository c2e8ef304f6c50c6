package apiproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Where an endpoint can't be dialled the next one gets the request, whole.
func TestNextEndpoint(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer backend.Close()
	alive, dead, elsewhere := backend.Listener.Addr().String(), refused(t), "169.254.1.1:80"
	for range 20 { // the order is random
		h := newProxy(t, serviceOf(dead, alive, elsewhere))
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+servicePath+"/", io.MultiReader(strings.NewReader("hello")))
		if res, body := h.do(t, r); res.StatusCode != http.StatusOK || body != "hello" {
			t.Fatalf("%s %s", res.Status, body)
		}
		if line := h.audit.await(t, 1)[0]; line["endpoint"] != alive {
			t.Errorf("%v", line)
		}
	}
}

// One that failed isn't tried again at once.
func TestFailedAvoided(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer backend.Close()
	h := newProxy(t, serviceOf(refused(t), backend.Listener.Addr().String()))
	const n = 50
	for range n {
		h.get(t, "/")
	}
	twice := 0
	for _, line := range h.audit.await(t, n) {
		if line["tries"] != 1.0 {
			twice++
		}
	}
	if twice != 1 {
		t.Errorf("%d of %d requests met the dead endpoint", twice, n)
	}
}

// A request that an endpoint may have begun to read goes to no other.
func TestNotTwice(t *testing.T) {
	var asked atomic.Int32
	hangUp := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				asked.Add(1)
				conn.Read(make([]byte, 1))
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		}()
		return l
	}
	h := newProxy(t, serviceOf(hangUp().Addr().String(), hangUp().Addr().String()))
	for method, body := range map[string]io.Reader{http.MethodPost: strings.NewReader("hello"), http.MethodGet: nil} {
		asked.Store(0)
		r, _ := http.NewRequestWithContext(t.Context(), method, h.URL+servicePath+"/", body)
		if res, body := h.do(t, r); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "error trying to reach service: ") || asked.Load() != 1 {
			t.Errorf("%s: %s %s, after %d connections", method, res.Status, body, asked.Load())
		}
	}
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Once something of a body has been read no other endpoint is offered it, even
// if the dial failed.
func TestBodyBegun(t *testing.T) {
	for _, read := range []int64{0, 1} {
		asked := 0
		f := transport{failures: &failures{}, now: time.Now, next: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			io.CopyN(io.Discard, r.Body, read)
			r.Body.Close()
			return nil, dialError{errors.New("refused")}
		})}
		x := &exchange{targets: []target{{address: "a"}, {address: "b"}, {address: "c"}}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello"))
		_, err := f.RoundTrip(r.WithContext(context.WithValue(t.Context(), exchangeKey{}, x)))
		if want := 3 - 2*int(read); asked != want || err == nil || err.Error() != "refused" {
			t.Errorf("after %d bytes: %d were asked, want %d; %v", read, asked, want, err)
		}
	}
}

// A client that has gone is no failure of the endpoint, nor is an address that
// may not be dialled; and that isn't what is told if there was a failure.
func TestNoFailures(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	refused := errors.New("refused")
	offer := func(answers map[string]error) (*failures, int, error) {
		asked, known := 0, &failures{}
		f := transport{failures: known, now: time.Now, next: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			return nil, dialError{answers[r.URL.Host]}
		})}
		x := &exchange{}
		for at := range answers {
			x.targets = append(x.targets, target{address: at, key: at})
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		_, err := f.RoundTrip(r.WithContext(context.WithValue(ctx, exchangeKey{}, x)))
		return known, asked, err
	}
	for range 10 { // the order is random
		known, _, err := offer(map[string]error{"a": errAddress, "b": refused})
		if !errors.Is(err, refused) || len(known.at) != 1 || known.at["b"].IsZero() {
			t.Fatalf("%v, %v", err, known.at)
		}
	}
	cancel()
	if known, asked, err := offer(map[string]error{"a": refused, "b": refused}); err == nil || len(known.at) != 0 || asked != 1 {
		t.Errorf("%v, %v, %d asked", err, known.at, asked)
	}
}

func TestTerminatingOnlyAlone(t *testing.T) {
	serve := func(s string) string {
		b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }))
		t.Cleanup(b.Close)
		_, port, _ := net.SplitHostPort(b.Listener.Addr().String())
		return port
	}
	going := serve("going")
	ready := serve("ready")
	slices := func(conditions ...string) string {
		text := `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ns}, spec: {ports: [{port: 80}]}}`
		for i, c := range conditions {
			port := []string{going, ready}[i]
			text += `
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-` + port + `, namespace: ns, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{port: ` + port + `}], endpoints: [{addresses: [127.0.0.1], conditions: {` + c + `}}]}`
		}
		return text + "\n"
	}
	const leaving = "ready: false, serving: true, terminating: true"
	both, alone := newProxy(t, slices(leaving, "ready: true")), newProxy(t, slices(leaving))
	for range 20 {
		if _, body := both.get(t, "/"); body != "ready" {
			t.Fatalf("%s served beside a ready one", body)
		}
	}
	if _, body := alone.get(t, "/"); body != "going" {
		t.Errorf("got %s", body)
	}
}
