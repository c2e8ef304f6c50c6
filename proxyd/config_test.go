package proxyd

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// set gives a setting its text, as a flag or the file does.
func set(t *testing.T, c *Config, name, text string) error {
	t.Helper()
	for _, s := range c.Settings() {
		if s.Name == name {
			return s.Value.Set(text)
		}
	}
	t.Fatalf("no setting %q", name)
	return nil
}

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	tests := []struct {
		name, text string
		want       func(*Config)
		errors     string // what Set or Validate says; empty for nothing
	}{
		{"etcd-endpoints", "http://a:2379, http://b:2379", func(c *Config) { c.Etcd.Endpoints = []string{"http://a:2379", "http://b:2379"} }, ""},
		{"etcd-endpoints", "", nil, "--etcd-endpoints: endpoints: none given: want at least one, such as http://127.0.0.1:2379"},
		{"etcd-endpoints", "ftp://a:1", nil, `--etcd-endpoints: endpoints[0]: "ftp://a:1": the scheme is "ftp": want http or https`},
		{"etcd-cacert", "/nowhere/ca.pem", nil, "--etcd-cacert: cacert: open /nowhere/ca.pem: no such file or directory"},
		{"etcd-cert", "/nowhere/cert.pem", nil, "--etcd-key: key: missing: the certificate /nowhere/cert.pem is given"},
		{"etcd-key", "/nowhere/key.pem", nil, "--etcd-cert: cert: missing: the key /nowhere/key.pem is given"},
		{"etcd-user", "root:secret:too", func(c *Config) { c.EtcdUser = "root:secret:too" }, ""},
		{"etcd-user", "/etc/svcreg/etcd-user", func(c *Config) { c.EtcdUser = "/etc/svcreg/etcd-user" }, ""},
		{"etcd-user", "hunter2", nil, "--etcd-user: want user:password, or the path of a file that holds it (beginning with / or .)"},
		{"etcd-user", "root:", nil, "--etcd-user: want user:password, or the path of a file that holds it (beginning with / or .)"},
		{"registry-prefix", "/fleet/registry", func(c *Config) { c.RegistryPrefix = "/fleet/registry" }, ""},
		{"registry-prefix", "registry", nil, `--registry-prefix: registry prefix "registry": want a path such as "/registry", without a slash at the end`},
		{"snapshot", "/var/lib/svcreg/proxyd", func(c *Config) { c.Snapshot = "/var/lib/svcreg/proxyd" }, ""},
		{"proxy-mode", "none", func(c *Config) { c.ProxyMode = None }, ""},
		{"proxy-mode", "nftables", func(c *Config) { c.ProxyMode = NFTables }, ""},
		{"proxy-mode", "ipvs", nil, `--proxy-mode: "ipvs": want iptables, nftables or none`},
		{"iptables-backend", "legacy", func(c *Config) { c.IPTablesBackend = "legacy" }, ""},
		{"iptables-backend", "", nil, `--iptables-backend: "": want auto, nft or legacy`},
		{"cluster-cidr", "10.1.0.0/16,fd01::/64", func(c *Config) {
			c.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd01::/64")}
		}, ""},
		{"cluster-cidr", "10.1.0.0/33", nil, `"10.1.0.0/33": want networks such as 10.244.0.0/16`},
		{"cluster-cidr", "10.1.2.3/16", nil, `"10.1.2.3/16": want a network without host bits, such as 10.1.0.0/16`},
		{"masquerade-all", "true", func(c *Config) { c.MasqueradeAll = true }, ""},
		{"masquerade-all", "yes", nil, `"yes": want true or false`},
		{"public-ip-ranges", "198.51.100.0/24", func(c *Config) { c.PublicIPRanges = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }, ""},
		{"public-ip-ranges", "all", nil, `"all": want networks such as 10.244.0.0/16`},
		{"hostname-override", "Node-1.example.org", func(c *Config) { c.NodeName = "Node-1.example.org" }, ""},
		{"hostname-override", "node_1", nil, `--hostname-override: "node_1": want a node's name: letters, digits, '-' and '.'`},
		{"node-zone", "a", func(c *Config) { c.NodeZone = "a" }, ""},
		{"min-sync-period", "0s", func(c *Config) { c.MinSyncPeriod = 0 }, ""},
		{"min-sync-period", "5", nil, `"5": want a duration such as 5ms or 10m`},
		{"min-sync-period", "-1s", nil, "--min-sync-period: -1s: want 0s to 1m0s"},
		{"full-sync-period", "1m", func(c *Config) { c.FullSyncPeriod = time.Minute }, ""},
		{"full-sync-period", "0s", nil, "--full-sync-period: 0s: want 1s to 24h0m0s"},
		{"healthz-listen", "", func(c *Config) { c.HealthzListen = "" }, ""},
		{"healthz-listen", "[::1]:10256", func(c *Config) { c.HealthzListen = "[::1]:10256" }, ""},
		{"healthz-listen", "10256", nil, `--healthz-listen: "10256": want HOST:PORT, or nothing to switch it off`},
		{"metrics-listen", ":70000", nil, `--metrics-listen: ":70000": want HOST:PORT, or nothing to switch it off`},
		{"nodeport-addresses", "10.0.0.0/8, 192.0.2.1/32", func(c *Config) {
			c.NodePortAddrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}
		}, ""},
		{"nodeport-addresses", "127.0.0.0/8", nil, `--nodeport-addresses: "127.0.0.0/8": want networks at which others reach the node, neither loopback nor link-local`},
		{"nodeport-addresses", "192.0.2.1", nil, `"192.0.2.1": want networks such as 10.244.0.0/16`},
		{"log-format", "json", func(c *Config) { c.LogFormat = "json" }, ""},
		{"log-format", "xml", nil, `--log-format: "xml": want text or json`},
		{"api-listen", "", func(c *Config) { c.API.Listen = "" }, ""},
		{"api-listen", "[::1]:8081", func(c *Config) { c.API.Listen = "[::1]:8081" }, ""},
		{"api-listen", "8080", nil, `--api-listen: "8080": want HOST:PORT, or nothing to switch it off`},
		{"api-listen", ":8080", nil, `--api-listen: ":8080": others can reach this address: want --api-tls-cert and --api-tls-key, or --api-insecure`},
		{"api-tls-cert", "/c", nil, "--api-tls-key: missing: want the certificate's key"},
		{"api-tls-key", "/k", nil, "--api-tls-cert: missing: want the key's certificate"},
		{"api-tls-client-ca", "/ca", nil, "--api-tls-client-ca: clients show certificates in TLS only: want --api-tls-cert and --api-tls-key, too"},
		{"api-token-file", "/t", func(c *Config) { c.API.TokenFile = "/t" }, ""},
		{"api-allow-file", "/a", func(c *Config) { c.API.AllowFile = "/a" }, ""},
		{"api-insecure", "true", func(c *Config) { c.API.Insecure = true }, ""},
		{"api-hosts", "a.example.org,b", func(c *Config) { c.API.Hosts = []string{"a.example.org", "b"} }, ""},
		{"api-allow-addresses", "127.0.0.0/8", func(c *Config) { c.API.AllowAddresses = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, ""},
		{"api-backend-ca", "/b", func(c *Config) { c.API.BackendCA = "/b" }, ""},
		{"api-backend-insecure", "true", func(c *Config) { c.API.BackendInsecure = true }, ""},
		{"api-pass-authorization", "true", func(c *Config) { c.API.PassAuthorization = true }, ""},
		{"api-keep-links", "true", func(c *Config) { c.API.KeepLinks = true }, ""},
		{"api-audit", "false", func(c *Config) { c.API.Audit = false }, ""},
		{"api-dial-timeout", "0s", nil, "--api-dial-timeout: 0s: want 10ms to 1h0m0s"},
		{"api-response-timeout", "1m", func(c *Config) { c.API.ResponseTimeout = time.Minute }, ""},
		{"api-response-timeout", "-1s", nil, "--api-response-timeout: -1s: want 0s to 24h0m0s"},
		{"api-header-timeout", "5s", func(c *Config) { c.API.HeaderTimeout = 5 * time.Second }, ""},
		{"api-header-timeout", "0s", nil, "--api-header-timeout: 0s: want 100ms to 1h0m0s"},
		{"api-idle-timeout", "0s", nil, "--api-idle-timeout: 0s: want 1s to 24h0m0s"},
		{"api-stall-timeout", "0s", nil, "--api-stall-timeout: 0s: want 1s to 24h0m0s"},
		{"api-max-header", "1", nil, "--api-max-header: 1: want 1024 to 1048576 bytes"},
		{"api-max-body", "1000000", func(c *Config) { c.API.MaxBody = 1000000 }, ""},
		{"api-max-body", "-1", nil, "--api-max-body: -1: want 0 to 9223372036854775807 bytes"},
		{"api-max-connections", "0", nil, "--api-max-connections: 0: want 1 to 1048576 connections"},
		{"api-max-connections", "many", nil, `"many": want a whole number`},
		{"controllers", "", func(c *Config) { c.Controllers.Names = nil }, ""},
		{"controllers", "external,endpoints,loadbalancer", func(c *Config) { c.Controllers.Names = []string{"external", "endpoints", "loadbalancer"} }, ""},
		{"controllers", "dns", nil, `--controllers: "dns": want external, endpoints or loadbalancer`},
		{"leader-ttl", "4s", func(c *Config) { c.Controllers.LeaderTTL = 4 * time.Second }, ""},
		{"leader-ttl", "2500ms", nil, "--leader-ttl: 2.5s: want whole seconds"},
		{"leader-ttl", "1s", nil, "--leader-ttl: 1s: want 2s to 1h0m0s"},
		{"external-resolver", "[2001:db8::53]:53", func(c *Config) { c.Controllers.External.Resolver = "[2001:db8::53]:53" }, ""},
		{"external-resolver", "dns.example.org", nil, `--external-resolver: "dns.example.org": want an address and a port such as 192.0.2.53:53`},
		{"external-min-ttl", "10m", nil, "--external-max-ttl: 5m0s: want 10m0s to 168h0m0s"},
		{"external-max-ttl", "1h", func(c *Config) { c.Controllers.External.MaxTTL = time.Hour }, ""},
		{"external-zones", "cluster.local", func(c *Config) { c.Controllers.External.Zones = []string{"cluster.local"} }, ""},
		{"external-panic-share", "0.5", func(c *Config) { c.Controllers.External.PanicShare = 0.5 }, ""},
		{"external-panic-share", "NaN", nil, `"NaN": want a number from 0 to 1`},
		{"external-max-checks", "0", nil, "--external-max-checks: 0: want 1 to 1048576"},
		{"endpoints-slice-size", "1001", nil, "--endpoints-slice-size: 1001: want 1 to 1000"},
		{"endpoints-slices-only", "true", func(c *Config) { c.Controllers.Endpoints.SlicesOnly = true }, ""},
		{"loadbalancer-grace", "0s", func(c *Config) { c.Controllers.LoadBalancer.Grace = 0 }, ""},
		{"loadbalancer-grace", "-1s", nil, "--loadbalancer-grace: -1s: want 0s to 8760h0m0s"},
		{"loadbalancer-hook", "/usr/local/bin/hook", func(c *Config) { c.Controllers.LoadBalancer.Hook = "/usr/local/bin/hook" }, ""},
		{"loadbalancer-hook", "hook", nil, `--loadbalancer-hook: "hook": want an absolute path`},
		{"loadbalancer-hook-timeout", "0s", nil, "--loadbalancer-hook-timeout: 0s: want 1ms to 1h0m0s"},
		{"announce-interfaces", "eth*,br0", func(c *Config) { c.Controllers.Announce.Interfaces = []string{"eth*", "br0"} }, ""},
		{"announce-interfaces", "eth[", nil, `--announce-interfaces: "eth[": want the name of an interface, or a pattern such as "eth*"`},
		{"announce-settle", "2h", nil, "--announce-settle: 2h0m0s: want 0s to 1h0m0s"},
		{"announce-ttl", "1s", nil, "--announce-ttl: 1s: want 2s to 1h0m0s"},
		{"controllers", "external,external", nil, `--controllers: "external" stands there twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.text, func(t *testing.T) {
			c := DefaultConfig()
			if strings.Contains(tt.name, "cert") || tt.name == "etcd-key" {
				c.Etcd.Endpoints = []string{"https://127.0.0.1:2379"}
			}
			err := set(t, &c, tt.name, tt.text)
			if err == nil {
				err = c.Validate()
			}
			if got := message(err); got != tt.errors {
				t.Fatalf("error %q, want %q", got, tt.errors)
			}
			if tt.want == nil {
				return
			}
			want := DefaultConfig()
			tt.want(&want)
			if !reflect.DeepEqual(c, want) {
				t.Errorf("got %+v\nwant %+v", c, want)
			}
		})
	}
}

func TestValidateReportsEverything(t *testing.T) {
	c := DefaultConfig()
	c.ProxyMode, c.HealthzListen, c.FullSyncPeriod = "x", "y", 0
	got := message(c.Validate())
	want := strings.Join([]string{
		`--proxy-mode: "x": want iptables, nftables or none`,
		"--full-sync-period: 0s: want 1s to 24h0m0s",
		`--healthz-listen: "y": want HOST:PORT, or nothing to switch it off`,
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a value prints sets it again to the same.
func TestValuesPrintWhatTheyRead(t *testing.T) {
	c := DefaultConfig()
	c.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd01::/64")}
	for _, s := range c.Settings() {
		before := s.Value.String()
		if err := s.Value.Set(before); err != nil || s.Value.String() != before {
			t.Errorf("%s: %q becomes %q, %v", s.Name, before, s.Value.String(), err)
		}
	}
}

func TestReadUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(file, []byte("root:pass:word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"root:pass:word", file} {
		c := Config{EtcdUser: user}
		if err := c.readUser(); err != nil || c.Etcd.Username != "root" || c.Etcd.Password != "pass:word" {
			t.Errorf("%s: user %q, password %q, %v", user, c.Etcd.Username, c.Etcd.Password, err)
		}
	}
	for user, want := range map[string]string{
		"/nowhere/user": "--etcd-user: open /nowhere/user: no such file or directory",
		bad:             "--etcd-user: want user:password, or the path of a file that holds it (beginning with / or .)",
	} {
		c := Config{EtcdUser: user}
		if got := message(c.readUser()); got != want {
			t.Errorf("%s: error %q, want %q", user, got, want)
		}
	}
}

func TestNodeName(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for override, want := range map[string]string{"": strings.ToLower(host), " Node-1 ": "node-1"} {
		c := Config{NodeName: override}
		if got, err := c.nodeName(); got != want || err != nil {
			t.Errorf("override %q: %q, %v; want %q", override, got, err, want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
