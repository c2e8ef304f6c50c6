package apilisten_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/apilisten"
	"github.com/svcreg/svcreg/proxyd/apiproxy"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// source is a registry that doesn't change.
type source struct{ snapshot *registry.Snapshot }

func (s source) Snapshot(context.Context, registry.Ref) (*registry.Snapshot, error) {
	return s.snapshot, nil
}

const proxied = "/api/v1/namespaces/ns/services/web/proxy"

// through serves the proxy path to a backend, behind a token.
func through(t *testing.T, backend http.HandlerFunc, configure func(*apilisten.Config)) *running {
	t.Helper()
	b := httptest.NewServer(backend)
	t.Cleanup(b.Close)
	host, port, err := net.SplitHostPort(b.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	snapshot := registrytest.Snapshot(t, fmt.Sprintf(`
{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "ns"}, "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}}
---
{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "ns"}, "subsets": [{"addresses": [{"ip": "%s"}], "ports": [{"port": %s}]}]}
`, host, port))
	log := &registrytest.Log{}
	proxy := apiproxy.New(apiproxy.Config{
		Source: source{snapshot}, AllowAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Audit: apilisten.Audit(slog.New(slog.NewTextHandler(log, nil))),
	})
	tokens := file(t, "tokens.csv", "secret,alice,1\n")
	r := serve(t, proxy.ServeHTTP, func(c *apilisten.Config) {
		c.TokenFile = tokens
		if configure != nil {
			configure(c)
		}
	})
	r.log = log
	return r
}

// schemes runs a test of an upgraded connection without TLS and with it. It is
// given a connection on which nothing has been said.
func schemes(t *testing.T, backend http.HandlerFunc, test func(*testing.T, *running, net.Conn)) {
	t.Helper()
	ca := newAuthority(t, "server")
	cert, key := ca.pair("server")
	certFile, keyFile := file(t, "cert", cert), file(t, "key", key)
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			r := through(t, backend, func(c *apilisten.Config) {
				c.StallTimeout, c.IdleTimeout = time.Second, time.Second
				if scheme == "wss" {
					c.TLSCert, c.TLSKey = certFile, keyFile
				}
			})
			c := r.dial()
			if scheme == "wss" {
				config := client(t, ca).Transport.(*http.Transport).TLSClientConfig
				config.ServerName = "127.0.0.1"
				c = tls.Client(c, config)
			}
			test(t, r, c)
		})
	}
}

// upgradeThrough upgrades a connection, and returns what is said on it.
func upgradeThrough(t *testing.T, c net.Conn) *bufio.Reader {
	t.Helper()
	_, _ = io.WriteString(c, "GET "+proxied+"/chat HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	from := bufio.NewReader(c)
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			t.Fatalf("the head: %q, %v", line, err)
		}
		if line == "\r\n" {
			return from
		}
	}
}

// Upgraded connections carry what both sides say, however long they are silent;
// and end with the server.
func TestUpgradeThrough(t *testing.T) {
	t.Parallel()
	schemes(t, parrot, func(t *testing.T, r *running, c net.Conn) {
		from := upgradeThrough(t, c)
		for i := range 3 {
			fmt.Fprintf(c, "line %d\n", i)
			if line, err := from.ReadString('\n'); line != fmt.Sprintf(" says line %d\n", i) || err != nil {
				t.Fatalf("%q, %v", line, err)
			}
			time.Sleep(1200 * time.Millisecond) // longer than any time-out
		}
		r.stop()
		if rest, _ := io.ReadAll(from); len(rest) > 0 {
			t.Errorf("after the end: %q", rest)
		}
		if log := r.log.String(); !strings.Contains(log, "status=101") || !strings.Contains(log, "user=alice") {
			t.Errorf("audited as %s", log)
		}
		if got := r.metric("proxyd_api_requests_total"); got != 1 {
			t.Errorf("%v requests counted", got)
		}
	})
}

// Each side learns that the other has no more to say, and may go on itself.
func TestUpgradeHalvesThrough(t *testing.T) {
	t.Parallel()
	schemes(t, parrot, func(t *testing.T, _ *running, c net.Conn) {
		from := upgradeThrough(t, c)
		_, _ = io.WriteString(c, "bye\n")
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(from); string(all) != " says bye\n" || err != nil {
			t.Errorf("%q, %v", all, err)
		}
	})
}

// A client learns at once that the endpoint has gone.
func TestUpgradeEndsThrough(t *testing.T) {
	t.Parallel()
	backend := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye\n")
		conn.Close()
	}
	schemes(t, backend, func(t *testing.T, _ *running, c net.Conn) {
		if all, err := io.ReadAll(upgradeThrough(t, c)); string(all) != "bye\n" || err != nil {
			t.Errorf("%q, %v", all, err)
		}
	})
}

// A client that doesn't send the rest of a body is told so, and that is no
// request for the endpoint.
func TestStalledBodyThrough(t *testing.T) {
	t.Parallel()
	var whole atomic.Int32
	r := through(t, func(_ http.ResponseWriter, q *http.Request) {
		if _, err := io.ReadAll(q.Body); err == nil {
			whole.Add(1)
		}
	}, func(c *apilisten.Config) { c.StallTimeout = time.Second })
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		defer transport.CloseIdleConnections()
		transport.Protocols.SetHTTP1(proto == "HTTP/1.1")
		transport.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
		body, send := io.Pipe()
		defer send.Close()
		go send.Write([]byte("half"))
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.Addr().String()+proxied+"/", body)
		q.ContentLength = 9
		q.Header.Set("Authorization", "Bearer secret")
		answer, err := transport.RoundTrip(q)
		if err != nil {
			t.Fatal(proto, err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(text), `"code":408`) || answer.Proto != proto {
			t.Errorf("%s: %s %s", answer.Proto, answer.Status, text)
		}
	}
	r.stop()
	if n := whole.Load(); n > 0 {
		t.Errorf("%d bodies are whole for the endpoint", n)
	}
}

// parrot repeats what it is told, line by line.
func parrot(w http.ResponseWriter, q *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_ = rw.Flush()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintf(rw, "%s says %s", q.Header.Get("Authorization"), line)
		_ = rw.Flush()
	}
}

// A body that turns out to be larger than it may be is answered so, though an
// endpoint has seen some of it; and it never sees its end.
func TestLargestBodyThrough(t *testing.T) {
	var whole atomic.Int32
	r := through(t, func(_ http.ResponseWriter, q *http.Request) {
		if _, err := io.ReadAll(q.Body); err == nil {
			whole.Add(1)
		}
	}, func(c *apilisten.Config) { c.MaxBody = 1000 })
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for size, want := range map[int]int{1000: 200, 1001: 413, 1 << 20: 413} {
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(proto == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
			body := io.MultiReader(strings.NewReader(strings.Repeat("x", size))) // of a length that nobody tells
			q, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+r.Addr().String()+proxied+"/up", body)
			q.Header.Set("Authorization", "Bearer secret")
			answer, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(proto, size, err)
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			transport.CloseIdleConnections()
			if answer.StatusCode != want || want == 413 && !strings.Contains(string(text), `"message":"the body is larger than 1000 bytes","reason":"RequestEntityTooLarge"`) {
				t.Errorf("%s, %d bytes: %s %s", answer.Proto, size, answer.Status, text)
			}
		}
	}
	if n := whole.Load(); n != 2 {
		t.Errorf("%d bodies are whole for the endpoint, want 2", n)
	}
}

// Server-sent events arrive as they are sent, by HTTP/1.1 and HTTP/2.
func TestEventsThrough(t *testing.T) {
	streams := map[string]chan string{"/HTTP/1.1": make(chan string), "/HTTP/2.0": make(chan string)}
	r := through(t, func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case event := <-streams[q.URL.Path]:
				fmt.Fprintf(w, "data: %s\n\n", event)
				_ = http.NewResponseController(w).Flush()
			case <-q.Context().Done():
				return
			}
		}
	}, nil)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			transport := &http.Transport{Protocols: new(http.Protocols)}
			defer transport.CloseIdleConnections()
			transport.Protocols.SetHTTP1(proto == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			q, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Addr().String()+proxied+"/"+proto, nil)
			next := streams["/"+proto]
			q.Header.Set("Authorization", "Bearer secret")
			go func() { next <- "first" }() // the head comes with it
			resp, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			events := bufio.NewReader(resp.Body)
			for _, want := range []string{"first", "second", "third"} {
				if want != "first" {
					next <- want
				}
				got, err := events.ReadString('\n')
				if _, end := events.ReadString('\n'); got != "data: "+want+"\n" || err != nil || end != nil {
					t.Fatalf("%s: %q, %v, %v", resp.Proto, got, err, end)
				}
			}
		})
	}
}

// Large bodies pass whole, both ways, by HTTP/1.1, HTTP/2 and with TLS.
func TestLargeBodiesThrough(t *testing.T) {
	const size = 24 << 20
	echo := func(w http.ResponseWriter, q *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, q.Body)
		w.Header().Set("X-Got", fmt.Sprintf("%d %s %v", n, hex.EncodeToString(sum.Sum(nil)), err))
		_, _ = io.Copy(w, io.LimitReader(rand.NewChaCha8([32]byte{1}), size))
	}
	sum := func(seed byte) string {
		h := sha256.New()
		_, _ = io.Copy(h, io.LimitReader(rand.NewChaCha8([32]byte{seed}), size))
		return hex.EncodeToString(h.Sum(nil))
	}
	a := newAuthority(t, "server")
	cert, key := a.pair("server")
	certFile, keyFile := file(t, "cert", cert), file(t, "key", key)
	plain := through(t, echo, nil)
	secure := through(t, echo, func(c *apilisten.Config) { c.TLSCert, c.TLSKey = certFile, keyFile })
	tests := map[string]struct {
		to  *running
		url string
		h2  bool
	}{
		"HTTP/1.1": {plain, "http://", false}, "h2c": {plain, "http://", true},
		"HTTP/1.1 over TLS": {secure, "https://", false}, "HTTP/2 over TLS": {secure, "https://", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			transport := client(t, a).Transport.(*http.Transport)
			transport.Protocols = new(http.Protocols)
			transport.Protocols.SetHTTP1(!tt.h2)
			transport.Protocols.SetHTTP2(tt.h2)
			transport.Protocols.SetUnencryptedHTTP2(tt.h2)
			q, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, tt.url+tt.to.Addr().String()+proxied+"/large", io.LimitReader(rand.NewChaCha8([32]byte{2}), size))
			q.Header.Set("Authorization", "Bearer secret")
			resp, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			h := sha256.New()
			n, err := io.Copy(h, resp.Body)
			if got := resp.Header.Get("X-Got"); got != fmt.Sprintf("%d %s <nil>", size, sum(2)) {
				t.Errorf("%s: the backend got %s", resp.Proto, got)
			}
			if n != size || err != nil || hex.EncodeToString(h.Sum(nil)) != sum(1) {
				t.Errorf("%s: the client got %d bytes, %v", resp.Proto, n, err)
			}
		})
	}
}
