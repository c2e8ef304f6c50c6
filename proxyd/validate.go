package proxyd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry/codec"
)

// SettingError says which setting is wrong, and why.
type SettingError struct {
	// Setting is the setting's name, without dashes in front.
	Setting string
	Err     error
}

// Error names the setting as a flag.
func (e *SettingError) Error() string { return "--" + e.Setting + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the setting.
func (e *SettingError) Unwrap() error { return e.Err }

func settingError(setting string, err error) error {
	if err == nil {
		return nil
	}
	return &SettingError{setting, err}
}

// checks are what Validate asks, a line for a setting.
var checks = []struct {
	setting string
	check   func(*Config) error
}{
	{"etcd-user", func(c *Config) error { return checkUser(c.EtcdUser) }},
	{"registry-prefix", func(c *Config) error { _, err := codec.NewLayout(c.RegistryPrefix); return err }},
	{"proxy-mode", func(c *Config) error { return checkMode(c.ProxyMode) }},
	{"iptables-backend", func(c *Config) error { return oneOf(c.IPTablesBackend, "auto", "nft", "legacy") }},
	{"nodeport-addresses", func(c *Config) error { return checkNodePortAddrs(c.NodePortAddrs) }},
	{"hostname-override", func(c *Config) error { return checkName(c.NodeName) }},
	{"min-sync-period", func(c *Config) error { return between(c.MinSyncPeriod, 0, time.Minute) }},
	{"full-sync-period", func(c *Config) error { return between(c.FullSyncPeriod, time.Second, 24*time.Hour) }},
	{"healthz-listen", func(c *Config) error { return checkListen(c.HealthzListen) }},
	{"metrics-listen", func(c *Config) error { return checkListen(c.MetricsListen) }},
	{"log-format", func(c *Config) error { return oneOf(c.LogFormat, "text", "json") }},
}

// Validate reports every setting that is wrong, each as a SettingError, and
// changes nothing.
func (c *Config) Validate() error {
	errs := etcdErrors(c.Etcd.Validate())
	for _, check := range checks {
		errs = append(errs, settingError(check.setting, check.check(c)))
	}
	errs = append(errs, c.validateAPI()...)
	errs = append(errs, c.Controllers.validate()...)
	return errors.Join(errs...)
}

// etcdErrors names the setting of each error about etcd, all of which begin
// with the name of a field.
func etcdErrors(err error) []error {
	all := each(err)
	for i, err := range all {
		field := err.Error()[:max(0, strings.IndexAny(err.Error(), ":[ "))]
		if field == "username" || field == "password" {
			field = "user"
		}
		all[i] = settingError("etcd-"+field, err)
	}
	return all
}

// each returns the errors that were joined to one; of another one that alone.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func checkMode(m Mode) error {
	return oneOf(string(m), string(IPTables), string(NFTables), string(None))
}

func oneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	last := len(allowed) - 1
	return want(value, strings.Join(allowed[:last], ", ")+" or "+allowed[last])
}

func between(d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("%v: want %v to %v", d, low, high)
	}
	return nil
}

// wholeSeconds is between for times that etcd counts.
func wholeSeconds(d, low, high time.Duration) error {
	if d%time.Second != 0 {
		return fmt.Errorf("%v: want whole seconds", d)
	}
	return between(d, low, high)
}

func within(n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("%d: want %d to %d", n, low, high)
	}
	return nil
}

func checkResolver(address string) error {
	if _, err := netip.ParseAddrPort(address); address != "" && err != nil {
		return want(address, "an address and a port such as 192.0.2.53:53")
	}
	return nil
}

// checkNodePortAddrs refuses addresses at which nobody can reach the node: no
// node port is ever opened there.
func checkNodePortAddrs(networks []netip.Prefix) error {
	for _, p := range networks {
		if p.Bits() > 0 && (p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast()) {
			return want(p.String(), "networks at which others reach the node, neither loopback nor link-local")
		}
	}
	return nil
}

// nodeNames are DNS-1123 subdomains, as the names of nodes are.
var nodeNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func checkName(name string) error {
	if name == "" {
		return nil
	}
	if len(name) > 253 || !nodeNames.MatchString(strings.ToLower(strings.TrimSpace(name))) {
		return want(name, "a node's name: letters, digits, '-' and '.'")
	}
	return nil
}

func checkListen(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return want(address, "HOST:PORT, or nothing to switch it off")
	}
	return nil
}

// checkUser looks at a user:password without reading any file.
func checkUser(user string) error {
	if user == "" || isPath(user) {
		return nil
	}
	_, _, err := splitUser(user)
	return err
}

// readUser sets the credentials for etcd from the setting etcd-user.
func (c *Config) readUser() error {
	user := c.EtcdUser
	if user == "" {
		return nil
	}
	if isPath(user) {
		content, err := os.ReadFile(user) //nolint:gosec // the operator names the file
		if err != nil {
			return settingError("etcd-user", err)
		}
		user = strings.TrimSpace(string(content))
	}
	var err error
	c.Etcd.Username, c.Etcd.Password, err = splitUser(user)
	return settingError("etcd-user", err)
}

// isPath tells a file from a user:password: a path begins with "/" or ".".
func isPath(user string) bool {
	return strings.HasPrefix(user, "/") || strings.HasPrefix(user, ".")
}

// splitUser never repeats what it was given: it may hold a password.
func splitUser(user string) (name, password string, err error) {
	name, password, ok := strings.Cut(user, ":")
	if !ok || name == "" || password == "" {
		return "", "", errors.New("want user:password, or the path of a file that holds it (beginning with / or .)")
	}
	return name, password, nil
}
