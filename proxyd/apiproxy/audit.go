package apiproxy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"
)

// statusGone is the status, in the log alone, of a request whose client went
// before there was an answer (nginx's 499).
const statusGone = 499

var errBroken = errors.New("the response broke off")

// audit logs a request that is done. The query isn't logged: it may be secret.
func (p *Proxy) audit(r *http.Request, x *exchange) {
	if broken := recover(); broken != nil {
		defer panic(broken) // http.ErrAbortHandler: net/http ends the connection
		x.err = cmp.Or(x.err, errBroken)
	}
	attrs := append(make([]slog.Attr, 0, 12), // all of them, at most
		slog.String("client", r.RemoteAddr),
		slog.String("method", r.Method),
		slog.String("path", x.raw),
		slog.String("kind", x.to.Kind.String()),
		slog.String("namespace", x.to.Namespace),
		slog.String("name", x.to.Name),
		slog.Int("status", x.status),
		slog.Int64("bytes", x.bytes),
		slog.Duration("took", time.Since(x.start)))
	if x.target.address != "" {
		attrs = append(attrs, slog.String("endpoint", x.target.address), slog.Int("tries", x.tries))
	}
	if x.err != nil {
		attrs = append(attrs, slog.Any("err", x.err))
	}
	p.config.Audit.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, "proxied", attrs...)
}

// failed is the ReverseProxy's way to say that there is no response. It ends the
// connection where nobody is there to read one: net/http would send an empty one
// that says all is well, and a client may have ended only its half.
func (p *Proxy) failed(_ http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errSwitching) {
		return
	}
	x := exchangeOf(r.Context())
	if broken := x.broken.Load(); broken != nil {
		err = broken // which is also why the endpoint got no more
	}
	if r.Context().Err() != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		x.err, x.status = err, statusGone
		panic(http.ErrAbortHandler)
	}
	x.fail(err)
}
