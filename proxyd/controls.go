package proxyd

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/proxyd/node"
)

// controls are the socket addresses from which this node is controlled: those
// of etcd, and of proxyd itself. The proxy path never leads there, where a
// client would meet what trusts the node.
type controls struct {
	exact []netip.AddrPort
	ports []uint16 // at all addresses of the node
}

// controls returns those of a configuration. Of an etcd that is named, every
// address of the node counts that has its port.
func (c *Config) controls() *controls {
	all := &controls{}
	for _, endpoint := range c.Etcd.Endpoints {
		hostPort := endpoint
		if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
			hostPort = u.Host
		}
		all.add(strings.TrimSuffix(hostPort, "/"))
	}
	for _, listen := range []string{c.API.Listen, c.HealthzListen, c.MetricsListen} {
		all.add(listen)
	}
	return all
}

// add adds HOST:PORT; what isn't one is none.
func (c *controls) add(hostPort string) {
	host, text, err := net.SplitHostPort(hostPort)
	if err != nil {
		return
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.IsUnspecified() {
		c.ports = append(c.ports, uint16(port))
		return
	}
	c.exact = append(c.exact, netip.AddrPortFrom(addr.WithZone("").Unmap(), uint16(port)))
}

// has reports whether a socket address is one of them. Where the node's
// addresses can't be told, any with such a port is.
func (c *controls) has(at netip.AddrPort) bool {
	if slices.Contains(c.exact, at) {
		return true
	}
	if !slices.Contains(c.ports, at.Port()) {
		return false
	}
	own, err := node.Addrs()
	return err != nil || slices.Contains(own, at.Addr())
}
