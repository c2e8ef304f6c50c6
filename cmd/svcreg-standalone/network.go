package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// port is an interface of the private network.
type port struct {
	name  string
	addrs []netip.Prefix
	// gateways are where its default routes lead.
	gateways []string
}

// The node has a cable to the pod, and one that leads nowhere but gives it a
// default route: the kernel wants a route before it looks at a rule.
var (
	nodePorts = []port{
		{name: "lo", addrs: endpointAddrs},
		{name: "pod", addrs: prefixes("10.244.9.1/24", "fd00:244:9::1/64")},
		{name: "outside"},
		{name: "uplink", addrs: append(prefixes("2001:db8::10/64"), nodeAddr), gateways: []string{"192.0.2.1", "2001:db8::1"}},
	}
	podPorts = []port{
		{name: "lo"},
		{name: "eth0", addrs: prefixes("10.244.9.2/24", "fd00:244:9::2/64"), gateways: []string{"10.244.9.1", "fd00:244:9::1"}},
	}
)

// buildNetwork gives this namespace the node's addresses and connects it to
// the pod, the namespace of another process.
func buildNetwork(podProcess int) error {
	namespace, err := netns.GetFromPid(podProcess)
	if err != nil {
		return fmt.Errorf("namespace of process %d: %w", podProcess, err)
	}
	defer namespace.Close()
	pod, err := netlink.NewHandleAt(namespace)
	if err != nil {
		return err
	}
	defer pod.Close()
	node, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer node.Close()

	if err := connect(node, namespace); err != nil {
		return err
	}
	for _, p := range nodePorts {
		if err := p.setUp(node); err != nil {
			return err
		}
	}
	for _, p := range podPorts {
		if err := p.setUp(pod); err != nil {
			return err
		}
	}
	return forward()
}

// connect makes the node's interfaces.
func connect(node *netlink.Handle, pod netns.NsHandle) error {
	cables := []*netlink.Veth{
		{LinkAttrs: netlink.LinkAttrs{Name: "pod"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(pod)},
		{LinkAttrs: netlink.LinkAttrs{Name: "uplink"}, PeerName: "outside"},
	}
	for _, cable := range cables {
		if err := node.LinkAdd(cable); err != nil {
			return fmt.Errorf("add interface %s: %w", cable.Name, err)
		}
	}
	return nil
}

// forward makes a router of the node.
func forward() error {
	for _, sysctl := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		err := os.WriteFile("/proc/sys/net/"+sysctl, []byte("1"), 0o600)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return err
		}
	}
	return nil
}

// setUp gives an interface its addresses and default routes. Where the kernel
// has no IPv6 it leaves those out.
func (p port) setUp(h *netlink.Handle) error {
	link, err := h.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", p.name, err)
	}
	for _, a := range p.addrs {
		mask := net.CIDRMask(a.Bits(), a.Addr().BitLen())
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: mask}}
		if a.Addr().Is6() {
			addr.Flags = syscall.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, addr); err != nil && !withoutIPv6(a.Addr(), err) {
			return fmt.Errorf("add %s to %s: %w", a, p.name, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", p.name, err)
	}
	for _, text := range p.gateways {
		gateway := netip.MustParseAddr(text)
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway.AsSlice()}
		if err := h.RouteAdd(route); err != nil && !withoutIPv6(gateway, err) {
			return fmt.Errorf("default route via %s: %w", gateway, err)
		}
	}
	return nil
}

// withoutIPv6 reports whether an error about an address says no more than that
// this kernel has no IPv6, or has it switched off.
func withoutIPv6(addr netip.Addr, err error) bool {
	return addr.Is6() && (errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EACCES) ||
		errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.ENETUNREACH))
}
