// Package loopback finds addresses for the benchmarks' servers.
package loopback

import (
	"math/rand/v2"
	"net"
	"net/netip"
)

// Free returns a loopback address that nobody listens on, by UDP or TCP. It
// lies below those that the kernel hands out by itself, so that nobody gets it
// before its server.
func Free() netip.AddrPort {
	for {
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(20000+rand.IntN(12000))) //nolint:gosec // no secret
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
