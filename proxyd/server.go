package proxyd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// server answers HTTP on a listener that is open from the start, so that a
// port which is taken is known before anything else happens.
type server struct {
	listener net.Listener
	http     *http.Server
}

// listen opens the listener of a setting; nil for an empty address.
func listen(ctx context.Context, setting, address string, handler http.Handler) (*server, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // switched off
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, settingError(setting, err)
	}
	return &server{l, newHTTP(handler)}, nil
}

// newHTTP returns an HTTP server that waits for no client forever.
func newHTTP(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 14,
	}
}

// run serves until ctx ends, then lets requests under way finish for a second.
func (s *server) run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %v: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := s.http.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// close closes a listener that nothing was served on.
func (s *server) close() { _ = s.listener.Close() }
