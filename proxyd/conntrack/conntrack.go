// Package conntrack makes UDP flows that the kernel remembers follow a
// service. The kernel translates the first packet of a flow by the rules and
// all others by what it remembers of the first: a client that keeps its socket
// would stay with an endpoint that is gone.
package conntrack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// DeleteUDP makes the kernel forget the UDP flows for which stale says so: to
// is the address that the client sends to, server the one that answers, the
// same where nothing is translated. It reads the kernel's table once for each
// family, however many flows are stale, and returns how many were. After an
// error some may be left.
func DeleteUDP(stale func(to, server netip.AddrPort) bool) (int, error) {
	var deleted uint
	var errs []error
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		n, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, filter(stale))
		deleted += n
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return int(deleted), fmt.Errorf("delete stale UDP flows: %w", err)
	}
	return int(deleted), nil
}

// filter asks a function about the UDP flows among all.
type filter func(to, server netip.AddrPort) bool

var _ netlink.CustomConntrackFilter = filter(nil)

// MatchConntrackFlow reports whether a flow is to be deleted.
func (f filter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	to, ok := addrPort(flow.Forward.DstIP, flow.Forward.DstPort)
	server, ok2 := addrPort(flow.Reverse.SrcIP, flow.Reverse.SrcPort)
	return ok && ok2 && f(to, server)
}

func addrPort(ip net.IP, port uint16) (netip.AddrPort, bool) {
	addr, ok := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr.Unmap(), port), ok
}
