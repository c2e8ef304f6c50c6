package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/registry/pause"
)

// link is an interface that addresses can be announced on: an Ethernet that is
// up and has a carrier.
type link struct {
	index   int
	name    string
	mac     mac
	subnets []netip.Prefix
	all     bool // it was named: every address is announced on it
}

// same reports whether what was sent on one link holds for the other.
func (l link) same(other link) bool {
	return l.index == other.index && l.mac == other.mac
}

// everywhere are the subnets of a link on which every address is announced.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// subnetsOf returns where addresses can be that links announce, sorted.
func subnetsOf(links []link) []netip.Prefix {
	var subnets []netip.Prefix
	for _, l := range links {
		if l.all {
			return everywhere
		}
		subnets = append(subnets, l.subnets...)
	}
	slices.SortFunc(subnets, netip.Prefix.Compare)
	return slices.Compact(subnets)
}

// linksTo returns the links on which an address is announced: all that were
// named, else the one in whose subnet it is. Of several the smallest subnet
// counts, as it does for routes, and then the first link: two that answer on
// one segment would confuse it.
func linksTo(addr netip.Addr, links []link) []link {
	var to []link
	bits := -1
	for _, l := range links {
		if l.all {
			to = append(to, l)
			continue
		}
		for _, p := range l.subnets {
			if p.Contains(addr) && p.Bits() > bits {
				to, bits = []link{l}, p.Bits()
			}
		}
	}
	return to
}

// listLinks returns the node's links, sorted by index: those of some names or
// patterns, or if there are none those that have a subnet.
func listLinks(patterns []string) ([]link, error) {
	interfaces, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // that is a list too
		return nil, fmt.Errorf("list the node's interfaces: %w", err)
	}
	addrs, err := netlink.AddrList(nil, unix.AF_UNSPEC)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	var links []link
	for _, i := range interfaces {
		l, ok := newLink(i.Attrs())
		if !ok {
			continue
		}
		l.all = named(l.name, patterns)
		for _, a := range addrs {
			if subnet, ok := subnetOf(a); ok && a.LinkIndex == l.index {
				l.subnets = append(l.subnets, subnet)
			}
		}
		if l.all || len(patterns) == 0 && len(l.subnets) > 0 {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b link) int { return a.index - b.index })
	return links, nil
}

// newLink returns the link of an interface, if it is one.
func newLink(a *netlink.LinkAttrs) (link, bool) {
	const running = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_BROADCAST
	if a.RawFlags&running != running || a.RawFlags&(unix.IFF_LOOPBACK|unix.IFF_NOARP) != 0 || len(a.HardwareAddr) != len(mac{}) {
		return link{}, false
	}
	return link{index: a.Index, name: a.Name, mac: mac(a.HardwareAddr)}, true
}

// subnetOf returns the subnet that an address brings, if neighbours can be in
// it.
func subnetOf(a netlink.Addr) (netip.Prefix, bool) {
	if a.IPNet == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(a.IP)
	bits, _ := a.Mask.Size()
	p := netip.PrefixFrom(addr.Unmap(), bits).Masked()
	return p, ok && p.IsValid() && !p.IsSingleIP() && !addr.IsLinkLocalUnicast()
}

// named reports whether a name is one of some names and patterns.
func named(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		match, err := path.Match(p, name)
		return err == nil && match
	})
}

// watchLinks calls changed whenever an interface or an address changes, until
// ctx ends; it returns nil then, and an error where the kernel tells no more.
func watchLinks(ctx context.Context, changed func()) error {
	links, addrs, done := make(chan netlink.LinkUpdate), make(chan netlink.AddrUpdate), make(chan struct{})
	defer func() { // the subscriptions end when their channels are closed
		close(done)
		drain(links)
		drain(addrs)
	}()
	ignore := func(error) {} // the channel is closed as well
	if err := netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{ErrorCallback: ignore}); err != nil {
		close(links)
		close(addrs)
		return fmt.Errorf("watch the node's interfaces: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{ErrorCallback: ignore}); err != nil {
		close(addrs)
		return fmt.Errorf("watch the node's addresses: %w", err)
	}
	for {
		var ok bool
		select {
		case <-ctx.Done():
			return nil
		case _, ok = <-links:
		case _, ok = <-addrs:
		}
		if !ok {
			return errNotTold
		}
		changed()
	}
}

var errNotTold = errors.New("the kernel tells no more of interfaces")

func drain[T any](c <-chan T) {
	for range c {
	}
}

// linkPeriod is how often links are looked at without being told to, and how
// soon a watch that ended begins again.
const linkPeriod = 10 * time.Second

// linkWatch wakes whoever looks at the node's links when they may have
// changed.
type linkWatch struct {
	watch  func(ctx context.Context, changed func()) error
	logger *slog.Logger
	wake   chan struct{}
}

// run watches until ctx ends, and begins again after an error.
func (w *linkWatch) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := w.watch(ctx, func() { nudge(w.wake) })
		if ctx.Err() == nil {
			w.logger.Warn("not told of changes to interfaces; looking now and then", "error", err)
		}
		pause.Sleep(ctx, linkPeriod)
	}
	return nil
}

func (m mac) String() string { return net.HardwareAddr(m[:]).String() }
