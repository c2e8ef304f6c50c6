//go:build linux

package traffic

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/services"
)

// Receiver receives UDP packets on the pods' host, at every address, and says
// when the first came to one that is waited for.
type Receiver struct {
	conn *net.UDPConn
	done sync.WaitGroup

	mu      sync.Mutex
	wanted  netip.Addr
	arrived chan time.Time
}

// NewReceiver starts one. The caller closes it.
func NewReceiver(n *network.Network) (*Receiver, error) {
	r := &Receiver{}
	err := n.Pods.Do(func() (err error) {
		r.conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: services.Port})
		if err != nil {
			return err
		}
		return control(r.conn, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1) })
	})
	if err != nil {
		return r, fmt.Errorf("receiver: %w", err)
	}
	r.done.Go(r.receive)
	return r, nil
}

// control calls a function with a connection's file descriptor.
func control(conn *net.UDPConn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) { failure = f(int(fd)) }); err != nil {
		return err
	}
	return failure
}

// Close stops receiving.
func (r *Receiver) Close() error {
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.done.Wait()
	return err
}

// Expect returns where the time will come of the first packet to an address.
// Only the last address that was asked for is waited for.
func (r *Receiver) Expect(addr netip.Addr) <-chan time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted, r.arrived = addr, make(chan time.Time, 1)
	return r.arrived
}

func (r *Receiver) receive() {
	packet, info := make([]byte, 2048), make([]byte, 256)
	for {
		_, n, _, _, err := r.conn.ReadMsgUDPAddrPort(packet, info)
		if err != nil {
			return
		}
		now := time.Now()
		r.note(destination(info[:n]), now)
	}
}

func (r *Receiver) note(to netip.Addr, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to == r.wanted {
		r.wanted = netip.Addr{}
		r.arrived <- at
	}
}

// destination returns the address that a packet was sent to, from what stands
// beside it: struct in_pktinfo, see ip(7).
func destination(info []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(info)
	const destinationAt, size = 8, 12
	if err != nil || len(messages) != 1 || len(messages[0].Data) < size {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(messages[0].Data[destinationAt:size]))
}

// Stream sends packets to an address, each of a flow of its own, with a pause
// between two, until ctx ends.
func Stream(ctx context.Context, s *Sender, to netip.AddrPort, pause time.Duration) error {
	for ctx.Err() == nil {
		if err := s.Send(to); err != nil {
			return fmt.Errorf("stream to %v: %w", to, err)
		}
		// A Go timer is a millisecond late where all is idle.
		rest := unix.NsecToTimespec(pause.Nanoseconds())
		_ = unix.Nanosleep(&rest, nil) // a signal may cut it short
	}
	return nil
}
