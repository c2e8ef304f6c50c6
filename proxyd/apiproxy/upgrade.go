package apiproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// upgradeOf returns the protocol, such as websocket, that a message would like
// its connection to have from there on, or "".
func upgradeOf(h http.Header) string {
	if !httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade") {
		return ""
	}
	return strings.TrimSpace(h.Get("Upgrade"))
}

// switching takes a 101: only for the protocol that was asked for is the
// connection handed over.
func (x *exchange) switching(r *http.Response) error {
	if got := upgradeOf(r.Header); x.upgrade == "" || !strings.EqualFold(got, x.upgrade) {
		return fmt.Errorf("it switches to protocol %q, not %q", got, x.upgrade)
	}
	x.status = r.StatusCode
	return nil
}

// Hijack implements http.Hijacker. What the client has sent after its request
// can be read from the connection.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil || rw.Reader.Buffered() == 0 {
		return conn, rw, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	return &earlyConn{conn, io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)}, rw, err
}

// earlyConn is a connection of which something has been read before.
type earlyConn struct {
	net.Conn
	from io.Reader
}

// Read implements io.Reader.
func (c *earlyConn) Read(p []byte) (int, error) { return c.from.Read(p) }

// CloseWrite says that nothing more will be written.
func (c *earlyConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
