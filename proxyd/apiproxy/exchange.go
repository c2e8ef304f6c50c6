package apiproxy

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// exchange is a request on its way, and the writer of its response.
type exchange struct {
	http.ResponseWriter
	path
	raw     string // the whole path, as it came
	targets []target
	target  target // the last one that was tried
	tries   int
	upgrade string // the other protocol that the client wants, if any
	// duplex says that the response may begin before the request's body has
	// ended, and uploaded that it has ended, as it should.
	duplex   bool
	uploaded atomic.Bool
	// broken is why the request's body could not be read to its end, if so.
	broken atomic.Pointer[uploadError]
	// switched is the answer of an endpoint that switches to the other
	// protocol, and backend the connection to it.
	switched *http.Response
	backend  io.ReadWriteCloser

	start  time.Time
	status int
	bytes  int64 // of the response's body
	err    error
}

type exchangeKey struct{}

// exchangeOf returns the exchange that serve put into the context.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(code int) {
	if code >= 200 {
		x.status = code
		if x.upgrade != "" || x.duplex && !x.uploaded.Load() {
			// What is left of the body, or what the client has sent for the
			// other protocol (CVE-2018-1002105), must not be read as a request.
			x.Header().Set("Connection", "close")
		}
	}
	x.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}
