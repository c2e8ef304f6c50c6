package svcreg

import (
	"context"
	"log/slog"
	"strings"
)

// logHandler passes on to CoreDNS's log what the registry's packages have to
// say: the message, then key=value for each attribute.
type logHandler struct {
	attrs []slog.Attr
}

var _ slog.Handler = (*logHandler)(nil)

// Enabled implements slog.Handler. CoreDNS drops what it doesn't want.
func (*logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *logHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	write := func(a slog.Attr) bool {
		line.WriteString(" " + a.String())
		return true
	}
	for _, a := range l.attrs {
		write(a)
	}
	r.Attrs(write)
	switch {
	case r.Level >= slog.LevelError:
		log.Error(line.String())
	case r.Level >= slog.LevelWarn:
		log.Warning(line.String())
	case r.Level >= slog.LevelInfo:
		log.Info(line.String())
	default:
		log.Debug(line.String())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (l *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{append(l.attrs[:len(l.attrs):len(l.attrs)], attrs...)}
}

// WithGroup implements slog.Handler. Groups aren't shown.
func (l *logHandler) WithGroup(string) slog.Handler { return l }
