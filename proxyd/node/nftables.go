package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// NFTables tells of changes to the kernel's nf_tables, which iptables-nft
// writes to as well, in the network namespace where its methods are first
// called. The zero NFTables is ready for use, by one goroutine at a time.
//
// Its sockets stay open. While one of their kind is closed the kernel lets
// nobody change rules, for 10 to 30 ms.
type NFTables struct {
	socket   *nl.SocketHandle
	listener *listener
}

// Generation returns a number that is another one after each change of
// anybody's rules. Asking costs a few microseconds.
func (n *NFTables) Generation() (uint32, error) {
	g, err := n.generation()
	if err != nil {
		return 0, fmt.Errorf("ask for the generation of nf_tables: %w", err)
	}
	return g, nil
}

func (n *NFTables) generation() (uint32, error) {
	if n.socket == nil {
		s, err := nl.Subscribe(unix.NETLINK_NETFILTER)
		if err != nil {
			return 0, err
		}
		n.socket = &nl.SocketHandle{Socket: s}
	}
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: n.socket}
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	answers, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, err
	}
	for _, answer := range answers {
		if len(answer) < nl.SizeofNfgenmsg {
			continue
		}
		attributes, err := nl.ParseRouteAttr(answer[nl.SizeofNfgenmsg:])
		if err != nil {
			return 0, err
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.NFTA_GEN_ID && len(a.Value) == 4 {
				return binary.BigEndian.Uint32(a.Value), nil
			}
		}
	}
	return 0, errors.New("the kernel's answer has none")
}

// Changes returns a connection that can be read from once anybody has changed
// rules since; also an error of reading says so. What is read says no more. Until
// it is closed, which must be before the next one, each change costs the kernel
// a message: it is for times when none is due.
func (n *NFTables) Changes() (io.ReadCloser, error) {
	if n.listener == nil {
		l, err := newListener()
		if err != nil {
			return nil, fmt.Errorf("listen to changes of nf_tables: %w", err)
		}
		n.listener = l
	}
	if err := n.listener.open(); err != nil {
		return nil, fmt.Errorf("listen to changes of nf_tables: %w", err)
	}
	return n.listener, nil
}

// listener is a socket that hears of changes while it is open.
type listener struct {
	file *os.File
}

func newListener() (*listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	l := &listener{os.NewFile(uintptr(fd), "nf_tables")}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil { // without an address it is told nothing
		return nil, errors.Join(os.NewSyscallError("bind", err), l.file.Close())
	}
	return l, nil
}

func (l *listener) Read(b []byte) (int, error) { return l.file.Read(b) }

// open begins to listen. What is left from before is forgotten.
func (l *listener) open() error {
	return errors.Join(
		l.control(forget),
		l.file.SetReadDeadline(time.Time{}),
		l.control(func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES)
		}))
}

// Close ends a Read, and lets the kernel tell no more.
func (l *listener) Close() error {
	return errors.Join(
		l.file.SetReadDeadline(time.Unix(0, 0)),
		l.control(func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, unix.NFNLGRP_NFTABLES)
		}))
}

// control calls a function with the socket's file descriptor.
func (l *listener) control(f func(fd int) error) error {
	conn, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = conn.Control(func(fd uintptr) { failure = f(int(fd)) })
	return errors.Join(err, failure)
}

// forget reads all that a socket has been sent.
func forget(fd int) error {
	b := make([]byte, 1)
	for {
		_, err := unix.Read(fd, b)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR):
			return os.NewSyscallError("read", err)
		}
	}
}
