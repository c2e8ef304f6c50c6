package apilisten

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// auditor is a log's handler that adds whose request a line is about.
type auditor struct{ slog.Handler }

// Audit returns a logger that adds to each line the user of the request whose
// context it is given.
func Audit(to *slog.Logger) *slog.Logger { return slog.New(auditor{to.Handler()}) }

// Handle implements slog.Handler.
func (a auditor) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(slog.String("user", UserOf(ctx).Name))
	return a.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (a auditor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return auditor{a.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (a auditor) WithGroup(name string) slog.Handler { return auditor{a.Handler.WithGroup(name)} }

// AuditWrites logs each request to a handler that asks for a change, with who
// asked and what came of it.
func AuditWrites(to http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			to.ServeHTTP(w, r)
			return
		}
		start, a := time.Now(), &answer{ResponseWriter: w}
		to.ServeHTTP(a, r)
		logger.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, "registry",
			slog.String("client", r.RemoteAddr), slog.String("method", r.Method), slog.String("path", r.URL.EscapedPath()),
			slog.Int("status", a.code), slog.Duration("took", time.Since(start)))
	})
}
