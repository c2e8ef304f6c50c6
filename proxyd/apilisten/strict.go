package apilisten

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// strict is a client's connection without requests that two programs may read
// in two ways, so that one sees a request in what is a body to the other (RFC
// 9112, 11.2). net/http reads each in one way, and lets nobody know:
// such are a Content-Length beside a Transfer-Encoding, and folded header lines.
type strict struct {
	net.Conn
	heads heads
	bad   error // what the next Read fails with
}

// Read implements net.Conn. It fails in the midst of a request that is refused:
// net/http then answers 400, and ends the connection.
func (c *strict) Read(p []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		explainTLS(err)
	}
	good, bad := c.heads.check(p[:n])
	if c.bad = bad; bad == nil {
		return n, err
	}
	if good > 0 {
		return good, nil
	}
	return 0, bad
}

// CloseWrite says that nothing more will be written, as protocols that a
// connection is upgraded to may.
func (c *strict) CloseWrite() error { return closeWrite(c.Conn) }

// closeWrite closes half of a connection, or all of one that has no halves.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

type connKey struct{}

// keepConn and freeConn are an http.Server's ConnContext and ConnState.
func keepConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func freeConn(c net.Conn, state http.ConnState) {
	if c, ok := c.(*strict); ok && state == http.StateHijacked {
		c.heads.free = true
	}
}

// tlsOf returns what TLS has agreed on for a request's connection; nil without
// TLS.
func tlsOf(ctx context.Context) *tls.ConnectionState {
	if c, ok := ctx.Value(connKey{}).(*strict); ok {
		if t, ok := c.Conn.(*tls.Conn); ok {
			state := t.ConnectionState()
			return &state
		}
	}
	return nil
}

// explainTLS tells a client that speaks HTTP where TLS is spoken, as net/http
// does.
func explainTLS(err error) {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || e.Conn == nil {
		return
	}
	switch string(e.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		_, _ = io.WriteString(e.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
	_ = e.Conn.Close()
}

// What is refused, as the log has it.
var (
	errTwoLengths = errors.New("a request with both Content-Length and Transfer-Encoding")
	errFolded     = errors.New("a request with a folded header line")
	errLongLine   = errors.New("a request with a header line that has no end")
)

// heads finds the heads of a connection's HTTP/1 requests.
type heads struct {
	longest int // line
	// free says that what comes is no head any more: HTTP/2, another protocol,
	// or a body after which the connection ends.
	free bool
	left int64  // bytes of a body
	line []byte // as far as it came

	// What is known of the head under way.
	begun         bool
	sized, coded  bool
	contentLength int64
}

// check looks at what came next. It returns how much of that comes before a line
// for which a request is refused, and why that is.
func (h *heads) check(p []byte) (int, error) {
	for at := 0; at < len(p); {
		switch {
		case h.free:
			return len(p), nil
		case h.left > 0:
			n := min(h.left, int64(len(p)-at))
			h.left -= n
			at += int(n)
		default:
			line, _, whole := bytes.Cut(p[at:], []byte("\n"))
			if h.line = append(h.line, line...); len(h.line) > h.longest {
				return at, errLongLine
			}
			if !whole {
				return len(p), nil
			}
			if err := h.take(strings.TrimSuffix(string(h.line), "\r")); err != nil {
				return at, err
			}
			h.line = h.line[:0]
			at += len(line) + 1
		}
	}
	return len(p), nil
}

// preface is the first line of HTTP/2 (RFC 9113, 3.4).
const preface = "PRI * HTTP/2.0"

// take takes a line of a head.
func (h *heads) take(line string) error {
	switch {
	case !h.begun && line == preface:
		h.free = true
	case !h.begun && line == "": // which servers ignore (RFC 9112, 2.2)
	case !h.begun:
		h.begun, h.sized, h.coded, h.contentLength = true, false, false, 0
	case line == "":
		h.end()
	case line[0] == ' ' || line[0] == '\t':
		return errFolded
	default:
		name, value, _ := strings.Cut(line, ":")
		return h.field(name, strings.TrimSpace(value))
	}
	return nil
}

func (h *heads) field(name, value string) error {
	switch {
	case strings.EqualFold(name, "Content-Length"):
		h.sized = true
		n, err := strconv.ParseUint(value, 10, 63)
		if h.contentLength = int64(n); err != nil {
			h.free = true // net/http refuses it
		}
	case strings.EqualFold(name, "Transfer-Encoding"):
		h.coded = true
	}
	if h.sized && h.coded {
		return errTwoLengths
	}
	return nil
}

// end ends a head. A chunked body is the connection's last.
func (h *heads) end() {
	h.begun, h.left = false, h.contentLength
	h.free = h.free || h.coded
}
