package apilisten_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/apilisten"
)

// Requests that two programs may read in two ways are refused, with TLS and
// without, and the API never sees them.
func TestTwoReadings(t *testing.T) {
	const (
		good   = "GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n"
		both   = "POST /both HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
		folded = "GET /folded HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\n\r\n"
	)
	ca := newAuthority(t, "someone")
	for name, configure := range map[string]func(*apilisten.Config){
		"plain": nil,
		"TLS": func(c *apilisten.Config) {
			cert, key := ca.pair("server")
			c.TLSCert, c.TLSKey = file(t, "cert", cert), file(t, "key", key)
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan string, 10)
			r := serve(t, func(w http.ResponseWriter, q *http.Request) {
				seen <- q.URL.Path
				w.Header().Set("Content-Length", "0")
			}, configure)
			for _, bad := range []string{both, folded} {
				c := r.dial()
				if configure != nil {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				if _, err := io.WriteString(c, good); err != nil {
					t.Fatal(err)
				}
				if path := <-seen; path != "/good" {
					t.Errorf("the API saw %s", path)
				}
				_, _ = io.WriteString(c, bad)
				if got := closed(t, c, patient); !strings.HasPrefix(got, "HTTP/1.1 200 OK") || !strings.Contains(got, "HTTP/1.1 400 Bad Request") {
					t.Errorf("%q was answered %q", bad, got)
				}
			}
			r.stop()
			if close(seen); len(seen) > 0 {
				t.Errorf("the API saw %s", <-seen)
			}
		})
	}
}

// What comes after a chunked body isn't looked at, so none of it is a request.
func TestNothingAfterChunks(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, q *http.Request) { _, _ = io.Copy(w, q.Body) }, nil)
	c := r.dial()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"+
		"POST / HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\nContent-Length: 4\r\n\r\nevil")
	if got := closed(t, c, patient); strings.Count(got, "HTTP/1.1 ") != 1 || !strings.HasSuffix(got, "hi") {
		t.Errorf("answered %q", got)
	}
}

// What is said on a connection that was handed over is no HTTP.
func TestHandedOver(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patient))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_, _ = io.CopyN(conn, rw, 10)
	}, nil)
	c := r.dial()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n")
	const answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	if _, err := io.ReadFull(c, make([]byte, len(answer))); err != nil {
		t.Fatal(err)
	}
	const talk = "A: b\n c\n d"
	_, _ = io.WriteString(c, talk)
	if got := closed(t, c, patient); got != talk {
		t.Errorf("heard %q, want %q", got, talk)
	}
}
