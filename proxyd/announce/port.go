package announce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// port sends and receives frames of one protocol on one interface.
type port interface {
	send(frame []byte) error
	// join has frames of a multicast group delivered to the interface; leave
	// ends that.
	join(group netip.Addr) error
	leave(group netip.Addr) error
	// close ends it; received isn't called any more.
	close()
}

// opener opens a port whose frames are given to a function, one at a time.
type opener func(l link, p *protocol, received func(frame []byte)) (port, error)

// sendTimeout bounds the sending of a frame.
const sendTimeout = 100 * time.Millisecond

// rawPort is a port of the kernel's: a packet socket. What the node itself
// sends doesn't come back.
type rawPort struct {
	conn   *packet.Conn
	groups *ipv6.PacketConn // nil where groups aren't needed
	ifi    *net.Interface
	reader sync.WaitGroup
}

var _ opener = openPort

// openPort opens a packet socket.
func openPort(l link, p *protocol, received func(frame []byte)) (port, error) {
	filter, err := bpf.Assemble(p.filter)
	if err != nil {
		return nil, fmt.Errorf("filter for %s: %w", p.name, err)
	}
	r := &rawPort{ifi: &net.Interface{Index: l.index, Name: l.name}}
	r.conn, err = packet.Listen(r.ifi, packet.Raw, int(p.etherType), &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("open a socket for %s on %s: %w", p.name, l.name, err)
	}
	if p.etherType == etherIPv6 {
		group, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp6", "[::]:0")
		if err != nil {
			_ = r.conn.Close()
			return nil, fmt.Errorf("open a socket for groups on %s: %w", l.name, err)
		}
		r.groups = ipv6.NewPacketConn(group)
	}
	r.reader.Go(func() { r.read(received) })
	return r, nil
}

// read hands frames on until the socket is closed, or the interface is gone.
func (r *rawPort) read(received func([]byte)) {
	buffer := make([]byte, 1600)
	for {
		n, _, err := r.conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			received(buffer[:n])
			continue
		}
		// An interface that goes down says so once, and may come back. With
		// any other error the socket is of no use: what becomes of the
		// interface shows in its link.
		if !errors.Is(err, unix.ENETDOWN) {
			return
		}
	}
}

func (r *rawPort) send(frame []byte) error {
	// An interface whose queue is stuck holds nobody up.
	_ = r.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err := r.conn.WriteTo(frame, &packet.Addr{HardwareAddr: net.HardwareAddr(frame[:6])})
	if err != nil {
		return fmt.Errorf("send on %s: %w", r.ifi.Name, err)
	}
	return nil
}

func (r *rawPort) join(group netip.Addr) error {
	if r.groups == nil {
		return nil
	}
	return r.groups.JoinGroup(r.ifi, &net.IPAddr{IP: group.AsSlice()})
}

func (r *rawPort) leave(group netip.Addr) error {
	if r.groups == nil {
		return nil
	}
	return r.groups.LeaveGroup(r.ifi, &net.IPAddr{IP: group.AsSlice()})
}

func (r *rawPort) close() {
	_ = r.conn.Close()
	if r.groups != nil {
		_ = r.groups.Close()
	}
	r.reader.Wait()
}
