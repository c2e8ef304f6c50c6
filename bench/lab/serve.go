package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"

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
	s.EtcdURL = "http://" + freePort().String()
	return l.serve(ctx, p, s, 0)
}

func (l *Lab) serve(ctx context.Context, p peers.Peer, s peers.Sources, core int) (*Server, error) {
	s.SnapshotFile = l.Path("snapshot")
	listen := freePort()
	corefile := l.Path(fmt.Sprintf("Corefile-%d", listen.Port()))
	if err := os.WriteFile(corefile, []byte(p.Corefile(s, listen, freePort())), 0o600); err != nil {
		return nil, err
	}
	running, err := process.Start(ctx, process.Options{Core: core, Dir: l.dir}, string(p), l.CoreDNS, "-conf", corefile)
	if err != nil {
		return nil, err
	}
	return &Server{running, p, listen}, nil
}

// freePort returns a loopback address that nobody listens on, by UDP or TCP.
// It lies below those that the kernel hands out by itself, so that nobody gets
// it before its server.
func freePort() netip.AddrPort {
	for {
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(20000+rand.IntN(12000)))
		if free("udp", address) && free("tcp", address) {
			return address
		}
	}
}

func free(network string, address netip.AddrPort) bool {
	if network == "udp" {
		conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(address))
		return err == nil && conn.Close() == nil
	}
	listener, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(address))
	return err == nil && listener.Close() == nil
}
