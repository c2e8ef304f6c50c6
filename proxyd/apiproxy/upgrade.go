package apiproxy

import (
	"bufio"
	"bytes"
	"errors"
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

// wanted returns the protocol that a request is passed on with, or "". HTTP/2
// is none: it was for this end of the connection (RFC 7540, 3.2.1), and an
// endpoint that took it would get requests that nobody has looked at.
func wanted(h http.Header) string {
	protocol := upgradeOf(h)
	if strings.EqualFold(protocol, "h2c") {
		return ""
	}
	return protocol
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
	if err != nil {
		return conn, rw, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	return &tunnel{conn, io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)}, rw, err
}

// tunnel is a client's connection that was handed over. ReverseProxy copies to
// and from it, for as long as both sides like.
type tunnel struct {
	net.Conn
	from io.Reader // what the client sent early, and then the connection
}

// Read implements io.Reader.
func (t *tunnel) Read(p []byte) (int, error) { return t.from.Read(p) }

// WriteTo implements io.WriterTo.
func (t *tunnel) WriteTo(w io.Writer) (int64, error) { return relay(w, t.from) }

// ReadFrom implements io.ReaderFrom.
func (t *tunnel) ReadFrom(r io.Reader) (int64, error) { return relay(t.Conn, r) }

// CloseWrite says that nothing more will be written.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return t.Close()
}

// relayed are the large buffers of all tunnels.
var relayed buffers

// relay copies until there is nothing more to come. Most tunnels are silent
// most of the time, so it waits with a small buffer, and takes a large one
// only for as long as more comes than that.
func relay(to io.Writer, from io.Reader) (copied int64, err error) {
	small := make([]byte, 512)
	for {
		n, err := pass(to, from, small)
		copied += n
		if err == nil && n == int64(len(small)) {
			n, err = relayMuch(to, from)
			copied += n
		}
		switch {
		case errors.Is(err, io.EOF):
			return copied, nil
		case err != nil:
			return copied, err
		}
	}
}

// relayMuch copies for as long as there is much to copy.
func relayMuch(to io.Writer, from io.Reader) (copied int64, err error) {
	large := relayed.Get()
	defer relayed.Put(large)
	for {
		n, err := pass(to, from, large)
		copied += n
		if err != nil || n < int64(len(large)) {
			return copied, err
		}
	}
}

// pass copies what one read brings.
func pass(to io.Writer, from io.Reader, buf []byte) (int64, error) {
	n, failed := from.Read(buf)
	if n > 0 {
		if _, err := to.Write(buf[:n]); err != nil {
			return 0, err
		}
	}
	return int64(n), failed
}
