package apiproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// skipTo reads up to a line that begins so.
func skipTo(r *bufio.Reader, prefix string) error {
	for {
		line, err := r.ReadString('\n')
		if strings.HasPrefix(line, prefix) || err != nil {
			return err
		}
	}
}

const upgrade = "GET " + servicePath + " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"

// upgraded returns a connection that was handed over.
func (h *harness) upgraded(t *testing.T) net.Conn {
	t.Helper()
	conn, r := h.raw(t, upgrade)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	return conn
}

// hijack answers with some bytes and then echoes, line by line.
func hijack(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, strings.ReplaceAll(answer, "$KEY", r.Header.Get("Sec-Websocket-Key")))
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(conn, "echo "+line)
		}
	}
}

func TestUpgrade(t *testing.T) {
	h := newHarness(t, hijack("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: $KEY\r\n\r\nfirst\n"))
	conn, r := h.raw(t, upgrade+"early\n") // what is sent early isn't lost
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-Websocket-Accept") != "k" || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%v, %v", res, err)
	}
	io.WriteString(conn, "later\n")
	for _, want := range []string{"first\n", "echo early\n", "echo later\n"} {
		if got, err := r.ReadString('\n'); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	conn.Close()
	if line := h.audit.await(t, 1)[0]; line["status"] != 101.0 {
		t.Errorf("%v", line)
	}
}

// An endpoint that ends ends the client's connection.
func TestUpgradeEnds(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye")
		conn.Close()
	})
	_, r := h.raw(t, upgrade)
	if all, err := io.ReadAll(r); err != nil || !strings.HasSuffix(string(all), "\r\n\r\nbye") {
		t.Errorf("%q, %v", all, err)
	}
}

// Without a 101 the client never speaks to the endpoint (CVE-2018-1002105).
func TestUpgradeRefused(t *testing.T) {
	for name, answer := range map[string]string{
		"another status":   "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: spdy/3.1\r\n\r\n",
		"no protocol":      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"200":              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			spoken := make(chan bool, 1)
			h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, _ := http.NewResponseController(w).Hijack()
				io.WriteString(conn, answer)
				n, _ := rw.Read(make([]byte, 1))
				spoken <- n > 0
				conn.Close()
			})
			conn, r := h.raw(t, upgrade)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if io.Copy(io.Discard, res.Body); res.StatusCode == http.StatusSwitchingProtocols || !res.Close {
				t.Errorf("%s, close: %v", res.Status, res.Close)
			}
			io.WriteString(conn, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n")
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("then %q", rest)
			}
			conn.Close()
			h.Close() // and with it the connections to the endpoint
			h.CloseClientConnections()
			h.backend.CloseClientConnections()
			select {
			case s := <-spoken:
				if s {
					t.Error("the client spoke to the endpoint")
				}
			default:
			}
		})
	}
}

// A connection for which no other protocol was asked is never handed over.
func TestUpgradeUnasked(t *testing.T) {
	h := newHarness(t, hijack("HTTP/1.1 101 Switching Protocols\r\n\r\nevil\n"))
	if res, body := h.get(t, "/"); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "evil") {
		t.Errorf("%s %s", res.Status, body)
	}
}

// No endpoint is asked to speak HTTP/2 with a client, and none does so.
func TestUpgradeToHTTP2(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
		if upgradeOf(r.Header) == "" {
			fmt.Fprint(w, r.Header["Connection"], r.Header["Upgrade"], r.Header["Http2-Settings"])
			return
		}
		hijack("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")(w, r)
	})
	_, r := h.raw(t, "GET "+servicePath+"/ HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(body) != "[] [] []" || res.Close {
		t.Errorf("%s %s, close: %v", res.Status, body, res.Close)
	}
}

// Much passes through a connection that was handed over, in both directions.
func TestUpgradeMuch(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, rw)
	})
	conn := h.upgraded(t)
	var sent strings.Builder
	for i := range 100000 {
		fmt.Fprintln(&sent, i)
	}
	go func() {
		io.WriteString(conn, sent.String())
		conn.(*net.TCPConn).CloseWrite()
	}()
	if got, err := io.ReadAll(conn); err != nil || string(got) != sent.String() {
		t.Errorf("%d bytes of %d, %v", len(got), sent.Len(), err)
	}
}
