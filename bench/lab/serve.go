package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"

	"github.com/svcreg/svcreg/bench/loopback"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/process"
)

// Server is a running server.
type Server struct {
	*process.Process
	Peer peers.Peer
	Addr netip.AddrPort
}

// Serve starts a server on a processor, counted from 1, or on all with 0. It
// doesn't wait until the server answers. The caller stops it.
func (l *Lab) Serve(ctx context.Context, p peers.Peer, core int) (*Server, error) {
	return l.serve(ctx, p, l.sources, core)
}

// ServeAlone does so for a server that finds no etcd.
func (l *Lab) ServeAlone(ctx context.Context, p peers.Peer) (*Server, error) {
	s := l.sources
	s.EtcdURL = "http://" + loopback.Free().String()
	return l.serve(ctx, p, s, 0)
}

func (l *Lab) serve(ctx context.Context, p peers.Peer, s peers.Sources, core int) (*Server, error) {
	s.SnapshotFile = l.Path("snapshot")
	listen := loopback.Free()
	corefile := l.Path(fmt.Sprintf("Corefile-%d", listen.Port()))
	if err := os.WriteFile(corefile, []byte(p.Corefile(s, listen, loopback.Free())), 0o600); err != nil {
		return nil, err
	}
	running, err := process.Start(ctx, process.Options{Core: core, Dir: l.dir}, string(p), l.CoreDNS, "-conf", corefile)
	if err != nil {
		return nil, err
	}
	return &Server{running, p, listen}, nil
}
