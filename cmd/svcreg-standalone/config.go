package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/spf13/pflag"

	"github.com/svcreg/svcreg/proxyd"
)

// Where everything runs: in namespaces of its own, or on the machine itself.
const (
	private = "private"
	host    = "host"
)

// config is what the command line says.
type config struct {
	network    string
	dataDir    string
	etcdListen []string
	dnsListen  []string
	dnsForward []string
	zone       string
	portalNets []string
	examples   bool
	proxy      proxyd.Config
}

// proxySettings are the settings of proxyd that are flags here too, beside all
// about the API.
var proxySettings = []string{
	"proxy-mode", "iptables-backend", "cluster-cidr", "masquerade-all", "public-ip-ranges",
	"healthz-listen", "metrics-listen", "controllers",
}

// isFlag reports whether a setting of proxyd is a flag here too.
func isFlag(setting string) bool {
	return slices.Contains(proxySettings, setting) || strings.HasPrefix(setting, "api-")
}

func defaults() *config {
	return &config{
		network:    private,
		etcdListen: []string{"http://127.0.0.1:2379"},
		dnsListen:  []string{"127.0.0.1:1053"},
		zone:       "cluster.local",
		portalNets: []string{"10.0.0.0/16", "fd00:10::/112"},
		proxy:      proxyd.DefaultConfig(),
	}
}

// bind makes flags of the configuration.
func (c *config) bind(flags *pflag.FlagSet) {
	flags.StringVar(&c.network, "network", c.network, "where to run: private (namespaces of its own) or host (this machine)")
	flags.StringVar(&c.dataDir, "data-dir", c.dataDir, "where to keep the registry; by default in a temporary folder, removed at the end")
	flags.StringSliceVar(&c.etcdListen, "etcd-listen", c.etcdListen, "URLs on which etcd serves clients")
	flags.StringSliceVar(&c.dnsListen, "dns-listen", c.dnsListen, "addresses on which DNS is served, all on one port")
	flags.StringSliceVar(&c.dnsForward, "dns-forward", c.dnsForward, "servers, or a resolv.conf, to ask for all other names; by default they are refused")
	flags.StringVar(&c.zone, "zone", c.zone, "DNS zone of the services")
	flags.StringSliceVar(&c.portalNets, "portal-net", c.portalNets, "networks that portal IPs are taken from, one of each family")
	flags.BoolVar(&c.examples, "examples", c.examples, "write the example services into the registry; the private network always has them")
	for _, s := range c.proxy.Settings() {
		if !isFlag(s.Name) {
			continue
		}
		f := flags.VarPF(s.Value, s.Name, "", s.Usage)
		if s.Value.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// settle fills in what depends on where the process runs and who runs it, and
// says on standard error what it can't do.
func (c *config) settle(flags *pflag.FlagSet) error {
	if c.network != private && c.network != host {
		return fmt.Errorf("%w: --network: %q: want private or host", errUsage, c.network)
	}
	if _, ok := dns.IsDomainName(c.zone); !ok || c.zone == "" {
		return fmt.Errorf("%w: --zone: %q: want a domain name such as cluster.local", errUsage, c.zone)
	}
	if err := c.proxy.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if os.Geteuid() == 0 {
		return c.refuseDecided(flags)
	}
	if flags.Changed("network") && c.network == private {
		return errors.New("--network=private needs root, to make network namespaces")
	}
	if flags.Changed("proxy-mode") && c.proxy.ProxyMode != proxyd.None {
		return fmt.Errorf("--proxy-mode=%s needs root, to program the kernel", c.proxy.ProxyMode)
	}
	fmt.Fprintln(os.Stderr, "Without root: no network namespaces and no portal IPs. Names resolve on",
		c.dnsListen[0]+"; run it as root to see them reached.")
	c.network, c.proxy.ProxyMode = host, proxyd.None
	c.examples = c.examples || !flags.Changed("examples")
	return nil
}

// refuseDecided refuses what the private network decides by itself.
func (c *config) refuseDecided(flags *pflag.FlagSet) error {
	if c.network == host {
		return nil
	}
	for _, name := range []string{"etcd-listen", "dns-listen", "dns-forward", "portal-net", "cluster-cidr", "public-ip-ranges"} {
		if flags.Changed(name) {
			return fmt.Errorf("%w: --%s: the private network has its own; want --network=host with it", errUsage, name)
		}
	}
	return nil
}

// networks returns the portal networks.
func (c *config) networks() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.portalNets {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%w: --portal-net: %q: want a network such as 10.0.0.0/16", errUsage, text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
