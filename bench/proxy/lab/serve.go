package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/svcreg/svcreg/bench/loopback"
	"github.com/svcreg/svcreg/bench/process"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/proxy/report"
)

// startTime is how long a server may take to serve.
const startTime = 30 * time.Second

// Server is a running server.
type Server struct {
	*process.Process
	Name report.Server
	Addr netip.AddrPort
}

// URL returns where something of the backend is reached through the server.
func (s *Server) URL(name string) string {
	path := "/" + name
	if s.Name.IsOurs() {
		path = prefix + path
	}
	return "http://" + s.Addr.String() + path
}

// Backend starts a backend that has the bodies; see Serve.
func (l *Lab) Backend(ctx context.Context, core int) (*Server, error) {
	return l.Serve(ctx, report.Backend, netip.AddrPort{}, core)
}

// Serve starts a server that leads to a backend, on a processor, counted from
// 1, or on all with 0. It returns once the backend is reached. The caller stops
// it.
func (l *Lab) Serve(ctx context.Context, name report.Server, backend netip.AddrPort, core int) (*Server, error) {
	s := &Server{Name: name, Addr: loopback.Free()}
	argv, err := l.command(ctx, name, site{l.dir, s.Addr, backend, workers(core), l.Connections})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.Process, err = process.Start(ctx, process.Options{Core: core, Dir: l.dir}, string(name), argv...); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// workers returns how many processes or threads a server has.
func workers(core int) int {
	if core > 0 {
		return 1
	}
	return runtime.NumCPU()
}

// command returns what starts a server, whose configuration it writes.
func (l *Lab) command(ctx context.Context, name report.Server, at site) ([]string, error) {
	file := l.Path(fmt.Sprintf("%s-%d.conf", name, at.listen.Port()))
	write := func(config string) error { return os.WriteFile(file, []byte(config), 0o600) }
	nginx := []string{"nginx", "-p", l.dir, "-e", "stderr", "-c", file}
	switch name {
	case report.Backend:
		return nginx, write(backendConfig(at, l.body(Small)))
	case report.NGINX:
		return nginx, write(nginxProxyConfig(at))
	case report.HAProxy:
		return []string{"haproxy", "-db", "-f", file}, write(haproxyConfig(at))
	case report.Reverse:
		return []string{l.Reverse, "-listen", at.listen.String(), "-to", "http://" + at.backend.String()}, nil
	case report.Proxyd:
		return l.proxyd(at), l.register(ctx, at.backend)
	case report.Quiet:
		return append(l.proxyd(at), "--api-audit=false"), l.register(ctx, at.backend)
	}
	return nil, errors.New("no such server")
}

// proxyd returns what starts proxyd, with all its defaults but what the
// backend's address and the number of clients ask for.
func (l *Lab) proxyd(at site) []string {
	return []string{
		l.Proxyd, "--proxy-mode=none", "--controllers=", "--etcd-endpoints=" + l.etcd.URL, "--hostname-override=bench",
		"--healthz-listen=", "--metrics-listen=", "--api-listen=" + at.listen.String(),
		"--api-allow-addresses=" + netip.PrefixFrom(at.backend.Addr(), at.backend.Addr().BitLen()).String(),
		"--api-max-connections=" + strconv.Itoa(at.connections+extra),
	}
}

// await waits until something of the backend comes through the server.
func (s *Server) await(ctx context.Context) error {
	deadline := time.Now().Add(startTime)
	for {
		_, err := s.get(ctx, string(Small))
		if err == nil {
			return nil
		}
		if err := errors.Join(ctx.Err(), s.Err()); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s doesn't serve: %w", s.Name, err)
		}
		if err := program.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// Check wants the server to have the right bodies.
func (l *Lab) Check(ctx context.Context, s *Server) error {
	for _, b := range []Body{Small, Large} {
		got, err := s.get(ctx, string(b))
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if got != l.body(b) {
			return fmt.Errorf("%s, %s: %d bytes that are not the backend's", s.Name, b, len(got))
		}
	}
	return nil
}

// get returns something of the backend.
func (s *Server) get(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL(name), nil)
	if err != nil {
		return "", err
	}
	r.Close = true // whatever is measured next finds no connection of this one
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), err
}
