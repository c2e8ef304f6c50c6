package nftables

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// sendBuffer has room for a million elements that replace others,
	// receiveBuffer for the complaints about them.
	sendBuffer, receiveBuffer = 128 << 20, 4 << 20
	// answerSize is more than the kernel sends at once; it sends as much as
	// somebody has asked for before.
	answerSize = 64 << 10
)

// socket speaks to the nf_tables of the network namespace that it was opened in.
// The kernel does what it is asked while it is sent, so that nothing here waits.
type socket struct {
	file *os.File // closed when nobody has it any more
	buf  []byte
}

func dial() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", os.NewSyscallError("socket", err))
	}
	s := &socket{os.NewFile(uintptr(fd), "nf_tables"), make([]byte, answerSize)}
	err = errors.Join(
		// Room beyond the limits for everybody.
		os.NewSyscallError("SO_SNDBUFFORCE", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer)),
		os.NewSyscallError("SO_RCVBUFFORCE", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)),
		// Errors don't repeat what was asked.
		os.NewSyscallError("NETLINK_CAP_ACK", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)))
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", errors.Join(err, s.file.Close()))
	}
	return s, nil
}

func (s *socket) send(r request) error {
	err := unix.Sendto(int(s.file.Fd()), r, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	return os.NewSyscallError("sendto", err)
}

// receive returns the answers that are there; they stand only until the next
// ones.
func (s *socket) receive() ([]byte, error) {
	n, _, flags, _, err := unix.Recvmsg(int(s.file.Fd()), s.buf, nil, unix.MSG_DONTWAIT)
	if err == nil && flags&unix.MSG_TRUNC != 0 {
		err = unix.EMSGSIZE
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	return s.buf[:n], nil
}

// ask sends some messages, the last of which brings an answer whatever happens,
// and calls a function with what is answered. The error is all that the kernel
// has against it.
func (s *socket) ask(r request, each func(answer)) error {
	if err := s.send(r); err != nil {
		return err
	}
	var errs []error
	for n := 0; ; n++ {
		b, err := s.receive()
		if errors.Is(err, syscall.EAGAIN) && n > 0 {
			return errors.Join(errs...) // that was all
		}
		if err != nil {
			return err
		}
		for a := range answers(b) {
			switch a.kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if errno := a.errno(); errno != 0 {
					errs = append(errs, errno)
				}
			default:
				each(a)
			}
		}
	}
}
