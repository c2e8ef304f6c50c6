package svcreg

import (
	"net"
	"net/netip"
	"slices"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/transfer"
	"github.com/prometheus/client_golang/prometheus"
)

func init() {
	plugin.Register(pluginName, setup)
	prometheus.MustRegister(running)
}

// setup reads the stanzas and contacts nobody: etcd comes with the start.
func setup(c *caddy.Controller) error {
	stanzas, err := parse(c)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	var (
		h         = &handler{search: hostSearch(resolvConf)}
		config    = dnsserver.GetConfig(c)
		followers followers
	)
	for _, o := range stanzas {
		s := newStanza(o, nil)
		h.stanzas = append(h.stanzas, s)
		followers = append(followers, &follower{options: o, stanza: s})
	}
	c.OnStartup(func() error {
		for _, f := range followers {
			f.where = whereOf(config, f.options)
			f.stanza.tally = running.tally(f.where)
			f.stanza.indexer = newIndexer(f.options, serverAddrs(config.ListenHosts))
			if t, ok := config.Handler("transfer").(*transfer.Transfer); ok {
				f.secondaries = newNotifier(f.stanza, t.Notify)
			}
		}
		if err := followers.start(); err != nil {
			return plugin.Error(pluginName, err)
		}
		return nil
	})
	// On a reload the old instance serves until the new one has started.
	c.OnShutdown(func() error {
		followers.stop()
		return nil
	})
	c.OnRestartFailed(func() error {
		followers.resume()
		return nil
	})
	config.AddPlugin(func(next plugin.Handler) plugin.Handler {
		h.next = next
		return h
	})
	return nil
}

// whereOf returns where a stanza is: its server block's address and view, as
// other plugins' metrics have them, its first zone and its registry.
func whereOf(config *dnsserver.Config, o *options) where {
	host := ""
	if len(config.ListenHosts) > 0 {
		host = config.ListenHosts[0]
	}
	return where{config.Transport + "://" + net.JoinHostPort(host, config.Port), o.zones[0], config.ViewName, o.registry()}
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
