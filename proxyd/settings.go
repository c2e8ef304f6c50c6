package proxyd

import "net/netip"

// Setting is one thing that proxyd can be told, by the flag --Name or by the
// key Name of the configuration file.
type Setting struct {
	Name, Usage string
	// Value reads and prints the setting's text. Setting it writes into the
	// Config it came from.
	Value Value
}

// Value is a setting's text form. Every flag library's values look like this.
type Value interface {
	String() string
	Set(string) error
	// Type names what is expected, for the help text.
	Type() string
}

// Settings returns everything that c can be told, in the order of the help
// text. The values read and write c itself.
func (c *Config) Settings() []Setting {
	settings := []Setting{
		{Name: "etcd-endpoints", Usage: "where etcd is, separated by commas", Value: list[string]{&c.Etcd.Endpoints, text, "URLs"}},
		{Name: "etcd-cacert", Usage: "file of the authority that etcd's certificate must come from", Value: (*word)(&c.Etcd.CACert)},
		{Name: "etcd-cert", Usage: "file of the certificate to show to etcd", Value: (*word)(&c.Etcd.Cert)},
		{Name: "etcd-key", Usage: "file of that certificate's key", Value: (*word)(&c.Etcd.Key)},
		{Name: "etcd-user", Usage: "user:password for etcd, or the path of a file that holds it", Value: (*word)(&c.EtcdUser)},
		{Name: "registry-prefix", Usage: "key in etcd under which the registry stands", Value: (*word)(&c.RegistryPrefix)},
		{Name: "snapshot", Usage: "file to keep the last known registry in, for a restart while etcd is away", Value: (*word)(&c.Snapshot)},
		{Name: "proxy-mode", Usage: "how the kernel is programmed: iptables, nftables or none", Value: (*word)(&c.ProxyMode)},
		{Name: "iptables-backend", Usage: "which iptables: auto, nft or legacy", Value: (*word)(&c.IPTablesBackend)},
		{Name: "cluster-cidr", Usage: "networks of the pods, separated by commas; what comes to a portal IP from elsewhere is masqueraded", Value: list[netip.Prefix]{&c.ClusterCIDRs, network, "CIDRs"}},
		{Name: "masquerade-all", Usage: "masquerade all that goes to a service", Value: (*toggle)(&c.MasqueradeAll)},
		{Name: "public-ip-ranges", Usage: "where publicIPs may be, separated by commas, beside what load balancers got from address pools; by default only the node's own addresses", Value: list[netip.Prefix]{&c.PublicIPRanges, network, "CIDRs"}},
		{Name: "nodeport-addresses", Usage: "networks of the node's addresses that take node ports, separated by commas; by default all addresses but loopback and link-local ones", Value: list[netip.Prefix]{&c.NodePortAddrs, network, "CIDRs"}},
		{Name: "hostname-override", Usage: "this node's name in the registry, by default the host's: which endpoints are its own", Value: (*word)(&c.NodeName)},
		{Name: "node-zone", Usage: "this node's zone, for services that prefer endpoints nearby; by default that of its Node in the registry", Value: (*word)(&c.NodeZone)},
		{Name: "min-sync-period", Usage: "how long a change waits for others to go with it", Value: (*period)(&c.MinSyncPeriod)},
		{Name: "full-sync-period", Usage: "about how often everything is compared with the kernel", Value: (*period)(&c.FullSyncPeriod)},
		{Name: "healthz-listen", Usage: "address of /healthz, /livez and /readyz; empty switches it off", Value: (*word)(&c.HealthzListen)},
		{Name: "metrics-listen", Usage: "address of /metrics; empty switches it off", Value: (*word)(&c.MetricsListen)},
		{Name: "log-format", Usage: "how the log is written: text or json", Value: (*word)(&c.LogFormat)},
	}
	settings = append(settings, c.API.settings()...)
	return append(settings, c.Controllers.settings()...)
}
