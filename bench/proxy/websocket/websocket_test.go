package websocket

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func listen(t *testing.T) (*Backend, string) {
	t.Helper()
	b, err := Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b, "http://" + b.Addr().String() + "/"
}

func TestCrowd(t *testing.T) {
	b, at := listen(t)
	c, err := Open(t.Context(), at, 100)
	if err != nil || len(c) != 100 {
		t.Fatalf("%d: %v", len(c), err)
	}
	for range 2 {
		if err := c.Ask(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Ask(t.Context()); err == nil {
		t.Error("the backend has closed, but a WebSocket answers")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A backend answers what is no WebSocket: whoever waits for it asks so.
func TestNoWebSocket(t *testing.T) {
	b, at := listen(t)
	defer b.Close()
	res, err := http.Get(at)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", res, err)
	}
	res.Body.Close()
}

func TestRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no more", http.StatusTooManyRequests)
	}))
	defer s.Close()
	c, err := Open(t.Context(), s.URL, 5)
	if len(c) != 0 || err == nil || !strings.Contains(err.Error(), "429 Too Many Requests: no more") {
		t.Errorf("%d, %v", len(c), err)
	}
}

// RFC 6455, 1.3.
func TestAccepted(t *testing.T) {
	if got := accepted("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("got %s", got)
	}
}

// Who is interrupted has nothing left open.
func TestInterrupted(t *testing.T) {
	b, at := listen(t)
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := Open(ctx, at, 100)
	if err == nil {
		t.Error("no error")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// What comes back must be what was sent.
func TestWrongEcho(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		var frame [headSize + maskSize + messageSize]byte
		_, _ = far.Read(frame[:])
		_, _ = far.Write([]byte{binary, messageSize, 'p', 'o', 'n', 'g'})
	}()
	if err := ask(near); err == nil || !strings.Contains(err.Error(), `"pong" came back`) {
		t.Errorf("got %v", err)
	}
}
