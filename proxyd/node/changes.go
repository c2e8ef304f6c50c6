package node

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Changes returns a connection that can be read from once anybody has changed
// rules of nf_tables in this network namespace since it was opened; also an
// error of reading says so. What is read says no more. As long as it is open,
// each change costs the kernel a message: it is for times when none is due.
func Changes() (io.ReadCloser, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("listen to changes of nf_tables: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen to changes of nf_tables: %w", err)
	}
	return os.NewFile(uintptr(fd), "nf_tables"), nil
}
