package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// The ports on which the private network's endpoints serve, as the examples
// name them.
var (
	endpointTCPPorts = []uint16{8080, 9090, 5432, 6379}
	endpointUDPPorts = []uint16{7007}
)

// endpoints are the servers behind the example services: each says who
// answers, and whom.
type endpoints struct {
	servers []io.Closer
	running sync.WaitGroup
}

func serveEndpoints(ctx context.Context) (*endpoints, error) {
	e := &endpoints{}
	for _, addr := range endpointAddrs {
		if _, err := os.Stat("/proc/net/if_inet6"); addr.Addr().Is6() && err != nil {
			continue // a kernel without IPv6
		}
		for _, port := range endpointTCPPorts {
			if err := e.serveHTTP(ctx, netip.AddrPortFrom(addr.Addr(), port)); err != nil {
				e.close()
				return nil, err
			}
		}
		for _, port := range endpointUDPPorts {
			if err := e.serveUDP(ctx, netip.AddrPortFrom(addr.Addr(), port)); err != nil {
				e.close()
				return nil, err
			}
		}
	}
	return e, nil
}

func (e *endpoints) close() {
	for _, s := range e.servers {
		_ = s.Close()
	}
	e.running.Wait()
}

// answer says who answers whom.
func answer(endpoint, client string) string {
	return fmt.Sprintf("endpoint %s answers %s\n", endpoint, client)
}

func (e *endpoints) serveHTTP(ctx context.Context, at netip.AddrPort) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, answer(at.String(), r.RemoteAddr))
		}),
	}
	server.SetKeepAlivesEnabled(false) // so that each request picks an endpoint
	e.servers = append(e.servers, server)
	e.running.Go(func() { _ = server.Serve(listener) })
	return nil
}

func (e *endpoints) serveUDP(ctx context.Context, at netip.AddrPort) error {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", at.String())
	if err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	e.servers = append(e.servers, conn)
	e.running.Go(func() {
		buffer := make([]byte, 1500)
		for {
			_, client, err := conn.ReadFrom(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = conn.WriteTo([]byte(answer(at.String(), client.String())), client)
			}
		}
	})
	return nil
}
