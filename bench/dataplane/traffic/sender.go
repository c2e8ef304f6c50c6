//go:build linux

// Package traffic makes the traffic of the data plane's benchmark, and sees what
// arrives.
package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/bench/dataplane/network"
)

// Sender sends UDP packets from the client, each of them from an address and
// port of its own: to the kernel each is a new flow. They are written to the
// cable as they are, so that the client's own kernel has little to do. Its
// methods are for one goroutine at a time.
type Sender struct {
	fd    int
	to    *unix.SockaddrLinklayer
	frame [frameSize]byte
	flows uint32
}

// Where things stand in a frame: Ethernet, IPv4 and UDP, one after the other.
const (
	ipAt      = 14
	udpAt     = ipAt + 20
	frameSize = 60 // the least that Ethernet has
)

// Where flows come from: each address has so many ports.
const (
	firstPort = 1024
	ports     = 60_000
	addresses = 60_000
)

// NewSender returns a sender on the client of a network. The caller closes it.
func NewSender(n *network.Network) (*Sender, error) {
	s := &Sender{fd: -1}
	err := n.Client.Do(func() error {
		dev, err := net.InterfaceByName("node")
		if err != nil {
			return err
		}
		s.to = &unix.SockaddrLinklayer{Ifindex: dev.Index, Protocol: binary.NativeEndian.Uint16([]byte{8, 0})} // ETH_P_IP as it is sent
		// Protocol 0: it receives nothing.
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return errors.Join(unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1), unix.Bind(s.fd, s.to))
	})
	if err != nil {
		return s, fmt.Errorf("sender: %w", err)
	}
	return s, s.prepare()
}

// Close closes the sender.
func (s *Sender) Close() error {
	if s.fd < 0 {
		return nil
	}
	return unix.Close(s.fd)
}

// prepare writes all of the frame that stays the same.
func (s *Sender) prepare() error {
	for at, text := range map[int]string{0: network.NodeMAC, 6: network.ClientMAC} {
		mac, err := net.ParseMAC(text)
		if err != nil {
			return err
		}
		copy(s.frame[at:], mac)
	}
	binary.BigEndian.PutUint16(s.frame[12:], unix.ETH_P_IP)
	ip, udp := s.frame[ipAt:udpAt], s.frame[udpAt:]
	ip[0] = 4<<4 | 5 // version, length in words
	binary.BigEndian.PutUint16(ip[2:], frameSize-ipAt)
	ip[8], ip[9] = 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(udp[4:], frameSize-udpAt)
	return nil
}

// Send sends a packet of a flow that there was none of before.
func (s *Sender) Send(to netip.AddrPort) error {
	ip, udp := s.frame[ipAt:udpAt], s.frame[udpAt:]
	from, dest := s.flows/ports%addresses, to.Addr().As4()
	ip[12], ip[13] = 10, 255
	binary.BigEndian.PutUint16(ip[14:], uint16(256+from))
	copy(ip[16:], dest[:])
	ip[10], ip[11] = 0, 0
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	binary.BigEndian.PutUint16(udp, uint16(firstPort+s.flows%ports))
	binary.BigEndian.PutUint16(udp[2:], to.Port()) // no checksum: IPv4 needs none
	s.flows++
	_, err := unix.Write(s.fd, s.frame[:])
	return err
}

// checksum returns that of an IPv4 header whose own is zero (RFC 791).
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum + sum>>16)
}
