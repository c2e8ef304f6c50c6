//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
)

// Host is a network namespace, by its name.
type Host string

// file is where the namespace stands.
func (h Host) file() string { return filepath.Join("/run/netns", string(h)) }

// Do runs a function on a thread that is in the host's namespace. Sockets that
// it opens and processes that it starts belong there; goroutines that it
// starts do not.
//
// The thread comes back: should it end, so would the processes that were
// started on it before.
func (h Host) Do(f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		return fmt.Errorf("own namespace: %w", err)
	}
	defer home.Close()
	there, err := netns.GetFromPath(h.file())
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("%s: %w", h, err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter %s: %w", h, err)
	}
	failure := f()
	if err := netns.Set(home); err != nil {
		return errors.Join(failure, fmt.Errorf("leave %s: %w", h, err)) // the thread stays locked
	}
	runtime.UnlockOSThread()
	return failure
}

// Command returns the words that run a command on the host.
func (h Host) Command(argv ...string) []string {
	return append([]string{"ip", "netns", "exec", string(h)}, argv...)
}

// Sysctl sets kernel parameters of the host's network, named by their paths
// below /proc/sys/net.
func (h Host) Sysctl(settings map[string]string) error {
	return h.Do(func() error {
		for path, value := range settings {
			if err := os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0); err != nil {
				return fmt.Errorf("%s: %w", h, err)
			}
		}
		return nil
	})
}

// Dial opens a connection from the host to an IP address and port.
func (h Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
