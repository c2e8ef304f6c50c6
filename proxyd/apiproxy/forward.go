package apiproxy

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
)

func (p *Proxy) newReverse() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: p.modify,
		ErrorHandler:   p.failed,
		Transport:      p.newTransport(),
		BufferPool:     &buffers{},
		// What it has to say comes in the audit line, too.
		ErrorLog: slog.NewLogLogger(p.config.Audit.Handler(), slog.LevelDebug),
	}
}

// rewrite makes the request that goes to the endpoint. What the client says of
// who forwarded it is not passed on: nobody has checked it.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	x := exchangeOf(r.In.Context())
	r.Out.URL.RawQuery = noSpace(r.In.URL.RawQuery)
	setPath(r, x.rest)
	r.SetXForwarded()
	r.Out.Header.Set("X-Forwarded-Uri", x.raw)
	if !p.config.PassAuthorization {
		r.Out.Header.Del("Authorization")
	}
	if x.upgrade == "" {
		r.Out.Header.Del("Connection")
		r.Out.Header.Del("Upgrade")
	}
	if !p.config.KeepLinks {
		limitEncodings(r.Out.Header)
	}
	if r.Out.Body != nil {
		r.Out.Body = newUpload(r, p.config.PassAuthorization)
	}
}

// setPath sets the path as it is written in the request to the endpoint.
func setPath(r *httputil.ProxyRequest, rest string) {
	if rest == "" {
		rest = "/"
	}
	u := r.Out.URL
	u.Path, u.RawPath = unescaped(rest), rest
	if !strings.HasPrefix(rest, "//") { // that would be taken for a host
		u.Opaque = rest
	}
}

// modify changes a response before it goes to the client.
func (p *Proxy) modify(r *http.Response) error {
	x := exchangeOf(r.Request.Context())
	if r.StatusCode == http.StatusSwitchingProtocols {
		return x.switching(r)
	}
	l := links{prefix: x.prefix, hosts: []string{x.target.address, r.Request.Host}, scheme: x.target.scheme}
	if location := r.Header.Get("Location"); location != "" {
		r.Header.Set("Location", l.rewrite(location))
	}
	for _, h := range corsHeaders {
		r.Header.Del(h)
	}
	if !p.config.KeepLinks {
		l.rewritePage(r)
	}
	return nil
}

// corsHeaders are of no use in a response: the endpoint can't speak for all
// that shares an origin with it here.
var corsHeaders = []string{
	"Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
	"Access-Control-Allow-Methods", "Access-Control-Allow-Origin",
}

// upload is the body of a request, and passes its trailers on.
type upload struct {
	io.ReadCloser
	to http.Header
	in *http.Request
	x  *exchange
}

// newUpload returns the body of r.Out.
func newUpload(r *httputil.ProxyRequest, authorization bool) *upload {
	if !authorization {
		r.Out.Trailer.Del("Authorization")
	}
	return &upload{ReadCloser: r.Out.Body, to: r.Out.Trailer, in: r.In, x: exchangeOf(r.In.Context())}
}

// Read implements io.Reader. The trailers are known once the body has ended.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		u.x.uploaded.Store(true)
		for k := range u.to { // those that were announced
			u.to[k] = u.in.Trailer[k]
		}
	case err != nil:
		u.x.broken.Store(&uploadError{err})
	}
	return n, err
}

// uploadError is why the body of a request could not be read.
type uploadError struct{ error }

// Unwrap returns the reason.
func (e *uploadError) Unwrap() error { return e.error }

// bufferSize is how much of a body is copied at a time, in bytes: twice as much
// as ReverseProxy would, in half as many system calls.
const bufferSize = 64 << 10

// buffers are those that bodies are copied through.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
