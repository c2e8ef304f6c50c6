package apiproxy

import (
	"context"
	"net/http"
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
		if x.upgrade != "" {
			// The client may have sent what the other protocol has: nothing on
			// this connection can be told from it (CVE-2018-1002105).
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
