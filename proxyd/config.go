package proxyd

import (
	"cmp"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
)

// Mode says how a node's kernel is programmed.
type Mode string

// The proxy modes that are built.
const (
	// IPTables programs the kernel through iptables-restore.
	IPTables Mode = "iptables"
	// NFTables programs the kernel through netlink, and nft(8).
	NFTables Mode = "nftables"
	// None follows the registry and leaves the kernel alone: for trying
	// things out, and for nodes that need no virtual addresses.
	None Mode = "none"
)

// Config is all that proxyd can be told. DefaultConfig has what each field is
// when nobody says otherwise; Settings gives the fields the names that the
// command line and the configuration file know them by.
type Config struct {
	// Etcd says where the registry is. Username and Password stand in for
	// the setting etcd-user, which ReadUser takes apart.
	Etcd etcd.Config
	// EtcdUser is "user:password", or the path of a file that holds it, so
	// that the password need not show in the process list.
	EtcdUser string
	// RegistryPrefix is the etcd key under which the registry stands.
	RegistryPrefix string
	// Snapshot is the file of the last known registry; empty for none.
	Snapshot string

	// ProxyMode is iptables, nftables or none.
	ProxyMode Mode
	// IPTablesBackend is auto, nft or legacy.
	IPTablesBackend string
	// ClusterCIDRs are the networks of the pods: what comes to a portal IP
	// from elsewhere is masqueraded. Empty means that nothing is.
	ClusterCIDRs []netip.Prefix
	// MasqueradeAll masquerades all that goes to a service.
	MasqueradeAll bool
	// PublicIPRanges are where publicIPs may be, beside the node's own
	// addresses.
	PublicIPRanges []netip.Prefix

	// NodePortAddrs are the networks of the node's addresses that take node
	// ports; empty means all of them but loopback and link-local ones.
	NodePortAddrs []netip.Prefix

	// NodeName is this node's name in the registry, NodeZone its zone.
	NodeName, NodeZone string

	// MinSyncPeriod is the least pause between two syncs. Where a sync takes
	// longer than that, as with iptables, a change waits so long for others to
	// go with it: two milliseconds join a service and its endpoints, written
	// one after the other.
	MinSyncPeriod time.Duration
	// FullSyncPeriod is about how often everything is compared with the
	// kernel, whatever changed.
	FullSyncPeriod time.Duration

	// HealthzListen and MetricsListen are host:port; empty switches off.
	HealthzListen, MetricsListen string

	// API is the proxy path, and the registry over HTTP.
	API API
	// Controllers are those that this node runs, or stands by for.
	Controllers Controllers

	// LogFormat is text or json, for whoever makes the Logger.
	LogFormat string

	// Logger takes what proxyd has to say; nil means slog.Default.
	Logger *slog.Logger
}

// DefaultConfig returns the configuration of a proxyd that was told nothing.
func DefaultConfig() Config {
	return Config{
		Etcd:            etcd.Config{Endpoints: []string{"http://127.0.0.1:2379"}},
		RegistryPrefix:  codec.DefaultPrefix,
		ProxyMode:       IPTables,
		IPTablesBackend: "auto",
		MinSyncPeriod:   2 * time.Millisecond,
		FullSyncPeriod:  10 * time.Minute,
		HealthzListen:   "127.0.0.1:10256",
		MetricsListen:   "127.0.0.1:10249",
		API:             defaultAPI(),
		Controllers:     defaultControllers(),
		LogFormat:       "text",
	}
}

// nodeName returns the node's name as the registry writes names: in lower
// case. It is the host's where none is configured.
func (c *Config) nodeName() (string, error) {
	name := c.NodeName
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", settingError("hostname-override", err)
		}
		name = host
	}
	return strings.ToLower(strings.TrimSpace(name)), nil
}

func (c *Config) logger() *slog.Logger { return cmp.Or(c.Logger, slog.Default()) }
