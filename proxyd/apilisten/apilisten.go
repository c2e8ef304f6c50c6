// Package apilisten stands before the API of proxyd: it listens, with TLS or
// without, finds out who a client is, and refuses what may not be.
//
// Safe by default: on loopback everybody of this node may ask, but no web page
// that a browser of the node shows; any other address wants TLS, and clients
// with a certificate or a token, unless Insecure says otherwise. Files of
// certificates, tokens and rules are read anew when they change; where the new
// content is wrong, the old one stays in force, and the log says so.
//
// No client is waited for without end: not for its header, nor for the next
// part of its body, nor until it takes the next part of an answer. What it
// was promised lasts as long as it likes: watches, upgraded connections, and
// answers that come slowly because an endpoint is slow.
//
// What lies behind is an http.Handler. It sees each request as the client sent
// it, path and all: no ServeMux stands before it.
package apilisten

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says where to listen, and for whom. DefaultConfig has what each field
// is when nobody says otherwise.
type Config struct {
	// Listen is HOST:PORT.
	Listen string
	// TLSCert and TLSKey are files of the server's certificate and its key,
	// PEM; both or none.
	TLSCert, TLSKey string
	// TLSClientCA is a file of the authorities that clients' certificates may
	// come from, PEM. A client's user is its certificate's common name, its
	// groups are the organizations.
	TLSClientCA string
	// TokenFile is a file of tokens in the form that an apiserver reads:
	// lines of token,user,uid[,"group,group"].
	TokenFile string
	// Insecure lets the API be reached without TLS, or by anybody, at an
	// address that isn't loopback.
	Insecure bool
	// Hosts are names by which clients may call the API that need prove
	// nothing, beside localhost and any address: so no web page that a browser
	// shows can reach it under a name of its own. "*" stands for all.
	Hosts []string

	// HeaderTimeout is how long a client may take for a request's header,
	// IdleTimeout how long a connection may stay without a request.
	HeaderTimeout, IdleTimeout time.Duration
	// StallTimeout is how long a client may send nothing of a body that is
	// waited for, or take nothing of an answer.
	StallTimeout time.Duration
	// MaxHeader is how large a request's header may be, in bytes.
	MaxHeader int
	// MaxBody is how large a request's body may be, in bytes; zero means as
	// large as it likes.
	MaxBody int
	// MaxConnections is how many connections one client may have: one IPv4
	// address, or one /64 of IPv6.
	MaxConnections int

	// Registerer takes the metrics; nil means none.
	Registerer prometheus.Registerer
	// Logger gets what an operator must know; nil means slog.Default.
	Logger *slog.Logger
}

// DefaultConfig returns the configuration of an API that was told nothing.
func DefaultConfig() Config {
	return Config{
		Listen:         "127.0.0.1:8080",
		HeaderTimeout:  10 * time.Second,
		IdleTimeout:    2 * time.Minute,
		StallTimeout:   time.Minute,
		MaxHeader:      64 << 10,
		MaxConnections: 1000,
	}
}

// grace is how long requests under way have to end once the server is to.
const grace = time.Second

// Server is a listener that is open, and the server that will serve on it.
type Server struct {
	listener net.Listener
	http     *http.Server
	serving  sync.RWMutex // read by each handler while it serves
	kill     context.CancelFunc
	logger   *slog.Logger
}

// Open opens the listener and reads the files. Every error but that of the
// listener is a *SettingError. Nothing is answered before Run.
func Open(ctx context.Context, c Config, to http.Handler) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	front, err := newFront(&c, to)
	if err != nil {
		return nil, err
	}
	var config *tls.Config
	if c.TLSCert != "" {
		if config, err = c.tlsConfig(); err != nil {
			return nil, err
		}
	}
	s := &Server{logger: c.Logger}
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	s.kill = kill
	s.http = c.server(s.awaited(front))
	s.http.BaseContext = func(net.Listener) context.Context { return life }
	inner, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		kill()
		return nil, err
	}
	s.listener = newListener(inner, &c, config)
	return s, nil
}

// server returns the HTTP server. To it all connections are without TLS, which
// the listener takes off. HTTP/2 is spoken by clients that begin with it: those
// that agreed on it by TLS, and others by prior knowledge (h2c).
func (c *Config) server(h http.Handler) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: c.HeaderTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    c.MaxHeader,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
		ConnContext:       keepConn,
		ConnState:         freeConn,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      c.StallTimeout,
			PingTimeout:          15 * time.Second,
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// Addr returns where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// awaited lets Run wait for the handlers, those of upgraded connections too.
func (s *Server) awaited(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serving.RLock()
		defer s.serving.RUnlock()
		h.ServeHTTP(w, r)
	})
}

// Run serves until ctx ends, then lets requests under way end for a second,
// and ends the others.
func (s *Server) Run(ctx context.Context) error {
	defer s.kill()
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %v: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := s.http.Shutdown(stop)
	s.kill()
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.serving.Lock()
	s.serving.Unlock() //nolint:staticcheck // all have ended
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// Close closes a listener that nothing was served on.
func (s *Server) Close() {
	s.kill()
	_ = s.listener.Close()
}
