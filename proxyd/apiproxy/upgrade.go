package apiproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

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

// errSwitching ends the part of ReverseProxy: handOver does the rest, with half
// as many goroutines for a connection.
var errSwitching = errors.New("the protocol is switched")

// switching takes a 101: only for the protocol that was asked for is the
// connection handed over.
func (x *exchange) switching(r *http.Response) error {
	backend, ok := r.Body.(io.ReadWriteCloser)
	if got := upgradeOf(r.Header); x.upgrade == "" || !strings.EqualFold(got, x.upgrade) || !ok {
		return fmt.Errorf("it switches to protocol %q, not %q", got, x.upgrade)
	}
	x.switched, x.backend = r, backend
	r.Body = http.NoBody // ReverseProxy closes it
	return errSwitching
}

// handOver lets the client and the endpoint talk, for as long as both like.
func (x *exchange) handOver(ctx context.Context) error {
	client, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return errors.Join(err, x.backend.Close())
	}
	t := &tunnel{client: client, backend: x.backend}
	defer context.AfterFunc(ctx, t.close)()
	defer t.close()
	x.status = x.switched.StatusCode
	x.switched.Body = nil
	if err := errors.Join(x.switched.Write(rw), rw.Flush()); err != nil {
		x.err = err
		return nil
	}
	x.switched = nil // it may last
	early, _ := rw.Peek(rw.Reader.Buffered())
	t.carry(io.MultiReader(bytes.NewReader(bytes.Clone(early)), client))
	return nil
}

// tunnel is a client's connection that was handed over, and the endpoint's.
type tunnel struct {
	client  net.Conn
	backend io.ReadWriteCloser
}

// carry copies both ways until both have ended, or one has failed.
func (t *tunnel) carry(fromClient io.Reader) {
	var up sync.WaitGroup
	up.Go(func() { t.copy(t.backend, fromClient) })
	t.copy(t.client, t.backend)
	up.Wait()
}

// copy copies to an end, and passes on that no more will come. Where it fails
// nothing goes on.
func (t *tunnel) copy(to io.Writer, from io.Reader) {
	if half, ok := to.(interface{ CloseWrite() error }); relay(to, from) != nil || !ok || half.CloseWrite() != nil {
		t.close()
	}
}

// close ends both connections.
func (t *tunnel) close() {
	_ = t.client.Close() // nobody is there to be told
	_ = t.backend.Close()
}

// relayed are the large buffers of all tunnels.
var relayed buffers

// relay copies until there is nothing more to come. Most tunnels are silent
// most of the time, so it waits with a small buffer, and takes a large one
// only for as long as more comes than that.
func relay(to io.Writer, from io.Reader) error {
	small := make([]byte, 512)
	for {
		n, err := pass(to, from, small)
		if err == nil && n == len(small) {
			err = relayMuch(to, from)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// relayMuch copies for as long as there is much to copy.
func relayMuch(to io.Writer, from io.Reader) error {
	large := relayed.Get()
	defer relayed.Put(large)
	for {
		if n, err := pass(to, from, large); err != nil || n < len(large) {
			return err
		}
	}
}

// pass copies what one read brings.
func pass(to io.Writer, from io.Reader, buf []byte) (int, error) {
	n, failed := from.Read(buf)
	if n > 0 {
		if _, err := to.Write(buf[:n]); err != nil {
			return 0, err
		}
	}
	return n, failed
}
