// Package node knows the machine that proxyd runs on: its addresses, the ports
// that its processes listen on, whether it forwards packets, and whether anybody
// has changed its packet filter. It only looks; it changes nothing.
package node

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addrs returns the node's own addresses, sorted: those that others can reach
// it at, so neither loopback nor link-local ones.
func Addrs() ([]netip.Addr, error) {
	list, err := netlink.AddrList(nil, unix.AF_UNSPEC)
	// A dump that a change interrupted is still a list; the change itself
	// brings the next look.
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	var addrs []netip.Addr
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok && reachable(addr.Unmap()) {
			addrs = append(addrs, addr.Unmap())
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

func reachable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
}

// forwarding are the kernel's switches for passing packets on.
var forwarding = []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}

// NotForwarding returns the names of the sysctls that keep the node from
// passing packets on, such as "net.ipv4.ip_forward"; empty where it does so
// for both families. A family that the kernel lacks is not named.
func NotForwarding() []string {
	var off []string
	for _, path := range forwarding {
		value, err := os.ReadFile("/proc/sys/" + path) //nolint:gosec // one of a few constants
		if err == nil && strings.TrimSpace(string(value)) == "0" {
			off = append(off, strings.ReplaceAll(path, "/", "."))
		}
	}
	return off
}
