package apiproxy

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What an endpoint sends arrives as it is sent; so does what a client sends.
func TestStreams(t *testing.T) {
	const event = "1<br\n>" // a page's text waits for the next tag, if for nothing else
	for _, mediaType := range []string{"text/event-stream", "application/json", "text/html"} {
		next := make(chan struct{})
		h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			for {
				select {
				case <-next:
					io.WriteString(w, event)
					http.NewResponseController(w).Flush()
				case <-r.Context().Done():
					return
				}
			}
		})
		conn, r := h.raw(t, "GET "+servicePath+"/ HTTP/1.1\r\nHost: h\r\n\r\n")
		next <- struct{}{}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewReader(res.Body)
		for range 3 {
			if _, err := body.ReadString('\n'); err != nil {
				t.Fatalf("%s: %v", mediaType, err)
			}
			next <- struct{}{}
		}
		conn.Close()
	}
}

func TestUploadStreams(t *testing.T) {
	arrived := make(chan string)
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) {
		b := make([]byte, 1)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				arrived <- string(b[:n])
			}
			if err != nil {
				return
			}
		}
	})
	conn, r := h.raw(t, "POST "+servicePath+"/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n")
	for _, s := range []string{"a", "b", "c"} {
		io.WriteString(conn, s)
		if got := <-arrived; got != s {
			t.Errorf("got %q", got)
		}
	}
	if status, _ := r.ReadString('\n'); !strings.Contains(status, "200") {
		t.Error(status)
	}
}

// A response may begin before the request has ended: neither waits for the
// other, and what is left of the request is nothing but that.
func TestEarlyResponse(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		c.EnableFullDuplex()
		c.Flush()
		io.Copy(w, r.Body)
	}
	deaf := func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		io.CopyN(io.Discard, rw, 6)
	}
	for name, tc := range map[string]struct {
		backend http.HandlerFunc
		want    string
	}{"echo": {echo, "GET /e"}, "deaf": {deaf, ""}} {
		h := newHarness(t, tc.backend)
		conn, r := h.raw(t, "POST "+servicePath+"/ HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nG")
		res, err := http.ReadResponse(r, nil)
		if err != nil || !res.Close {
			t.Fatalf("%v, %v", res, err)
		}
		io.WriteString(conn, "ET /evil HTTP/1.1\r\nHost: h\r\n\r\n")
		if body, _ := io.ReadAll(res.Body); string(body) != tc.want {
			t.Errorf("%s: %q, want %q", name, body, tc.want)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("%s: then %q", name, rest)
		}
	}
}

// Bodies of any size pass in both directions, also where HTTP/2 is in front.
func TestLarge(t *testing.T) {
	const size = 64 << 20
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body) // the response begins long before the request ends
	})
	front := httptest.NewUnstartedServer(h.Config.Handler)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	for proto, to := range map[string]*httptest.Server{"HTTP/1.1": h.Server, "HTTP/2.0": front} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, to.URL+servicePath+"/", io.LimitReader(zeros{}, size))
		res, err := to.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil || res.Proto != proto {
			t.Errorf("%s: %d bytes, %v, by %s", proto, n, err, res.Proto)
		}
		res.Body.Close()
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
