//go:build linux

package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/services"
)

// Acceptor accepts connections on the pods' host, at every address, and closes
// them.
type Acceptor struct {
	fd   int
	done sync.WaitGroup
}

// NewAcceptor starts one. The caller closes it.
func NewAcceptor(n *network.Network) (*Acceptor, error) {
	a := &Acceptor{fd: -1}
	err := n.Pods.Do(func() (err error) {
		if a.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		const backlog = 65535
		return errors.Join(unix.SetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.Bind(a.fd, &unix.SockaddrInet4{Port: services.Port}), unix.Listen(a.fd, backlog))
	})
	if err != nil {
		return a, fmt.Errorf("acceptor: %w", err)
	}
	a.done.Go(a.accept)
	return a, nil
}

// accept is a bare loop: what the client waits for is the kernel's work alone.
func (a *Acceptor) accept() {
	for {
		fd, _, err := unix.Accept(a.fd)
		switch {
		case err == nil:
			_ = unix.Close(fd) // it is the client that ended it
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED):
			return
		}
	}
}

// Close stops accepting.
func (a *Acceptor) Close() error {
	if a.fd < 0 {
		return nil
	}
	err := unix.Shutdown(a.fd, unix.SHUT_RDWR)
	a.done.Wait()
	return errors.Join(err, unix.Close(a.fd))
}

// Connect opens connections from the client to an address, one after another,
// for a while, and returns how long each took. The client resets each as soon
// as it stands.
func Connect(ctx context.Context, n *network.Network, to netip.AddrPort, during time.Duration) (took []time.Duration, err error) {
	address := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	err = n.Client.Do(func() error {
		for began := time.Now(); time.Since(began) < during && ctx.Err() == nil; {
			one, err := connect(address)
			if err != nil {
				return fmt.Errorf("connect to %v: %w", to, err)
			}
			took = append(took, one)
		}
		return nil
	})
	return took, err
}

func connect(to unix.Sockaddr) (time.Duration, error) {
	began := time.Now()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = unix.Connect(fd, to)
	took := time.Since(began)
	return took, errors.Join(err, unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), unix.Close(fd))
}
