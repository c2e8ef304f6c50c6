package svcreg

import (
	"net"
	"net/netip"
	"slices"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	upstreams "github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/prometheus/client_golang/prometheus"
)

func init() {
	plugin.Register(pluginName, setup)
	prometheus.MustRegister(running)
}

// setup reads a stanza and contacts nobody: etcd comes with the start.
func setup(c *caddy.Controller) error {
	o, err := parse(c)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	h := newHandler(o, nil)
	config := dnsserver.GetConfig(c)
	f := &follower{options: o, handler: h}
	c.OnStartup(func() error {
		f.where = whereOf(config)
		h.indexer = newIndexer(&h.zones, o, serverAddrs(config.ListenHosts))
		if err := f.start(); err != nil {
			return plugin.Error(pluginName, err)
		}
		return nil
	})
	// On a reload the old instance serves until the new one has started.
	c.OnShutdown(func() error {
		f.stop()
		return nil
	})
	c.OnRestartFailed(func() error {
		f.resume()
		return nil
	})
	config.AddPlugin(func(next plugin.Handler) plugin.Handler {
		h.next = next
		return h
	})
	return nil
}

// newHandler returns a handler that knows no registry yet, of a server at some
// addresses.
func newHandler(o *options, servers []netip.Addr) *handler {
	h := &handler{zones: newZones(o.zones), fall: o.fall, upstream: upstreams.New()}
	h.indexer = newIndexer(&h.zones, o, servers)
	return h
}

// whereOf returns where a server block is: its address as other plugins'
// metrics have it, its zone and its view.
func whereOf(config *dnsserver.Config) where {
	host := ""
	if len(config.ListenHosts) > 0 {
		host = config.ListenHosts[0]
	}
	return where{config.Transport + "://" + net.JoinHostPort(host, config.Port), config.Zone, config.ViewName}
}

// serverAddrs returns the addresses at which the server listens: those it is
// bound to, else all of the machine. Loopback addresses count only if there
// are no others.
func serverAddrs(hosts []string) []netip.Addr {
	addrs := parseAddrs(hosts)
	if len(addrs) == 0 {
		addrs = interfaceAddrs()
	}
	outside := slices.DeleteFunc(slices.Clone(addrs), netip.Addr.IsLoopback)
	if len(outside) > 0 {
		return outside
	}
	return addrs
}

func parseAddrs(hosts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, host := range hosts {
		if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
			addrs = append(addrs, addr.Unmap().WithZone(""))
		}
	}
	return addrs
}

// interfaceAddrs returns the machine's addresses but for link-local ones,
// which mean nothing elsewhere.
func interfaceAddrs() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		log.Warningf("the NS records have no addresses: %v", err)
		return nil
	}
	var addrs []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && !prefix.Addr().IsLinkLocalUnicast() {
			addrs = append(addrs, prefix.Addr().Unmap())
		}
	}
	return addrs
}
