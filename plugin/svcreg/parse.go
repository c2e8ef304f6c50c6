package svcreg

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
)

// options are what a stanza says.
type options struct {
	zones          []string
	public         []string // zones, too
	etcd           etcd.Config
	layout         codec.Layout
	ttl            uint32 // seconds
	shortNames     bool
	pods           podMode
	clients        networks
	filter         filter
	endpoints      endpointRules
	snapshotFile   string
	startupTimeout time.Duration
	fall           fall.F

	root string // of relative file names, as the root plugin has it
}

const (
	defaultEndpoint       = "http://127.0.0.1:2379"
	defaultTTL            = 5
	maxTTL                = 3600
	defaultStartupTimeout = 5 * time.Second
)

// property reads the arguments of one property.
type property func(o *options, args []string) error

// properties are all that a stanza can have.
var properties = map[string]property{
	"endpoint":           (*options).setEndpoints,
	"credentials":        (*options).setCredentials,
	"tls":                (*options).setTLS,
	"path":               (*options).setPath,
	"ttl":                (*options).setTTL,
	"pods":               (*options).setPods,
	"namespaces":         (*options).setNamespaces,
	"namespace_labels":   (*options).setNamespaceLabels,
	"labels":             (*options).setLabels,
	"endpoint_pod_names": (*options).setEndpointPodNames,
	"noendpoints":        (*options).setNoEndpoints,
	"ignore":             (*options).setIgnore,
	"zonal":              (*options).setZonal,
	"short_names":        (*options).setShortNames,
	"client_namespace":   (*options).setClientNamespace,
	"public":             (*options).setPublic,
	"snapshot":           (*options).setSnapshot,
	"startup_timeout":    (*options).setStartupTimeout,
	"fallthrough":        (*options).setFallthrough,
}

// repeatable are the properties that a stanza can have several times.
var repeatable = map[string]bool{"client_namespace": true}

// parse reads the plugin's stanzas.
func parse(c *caddy.Controller) ([]*options, error) {
	var stanzas []*options
	for c.Next() {
		o, err := parseStanza(c)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(stanzas, o.same) {
			return nil, c.Errf("zones %s of %v: given twice", strings.Join(o.zones, " "), o.registry())
		}
		stanzas = append(stanzas, o)
	}
	if len(stanzas) > maxStanzas {
		return nil, c.Errf("%d stanzas: want at most %d in a server block", len(stanzas), maxStanzas)
	}
	return stanzas, nil
}

func parseStanza(c *caddy.Controller) (*options, error) {
	o := &options{
		etcd:           etcd.Config{Endpoints: []string{defaultEndpoint}},
		ttl:            defaultTTL,
		shortNames:     true,
		startupTimeout: defaultStartupTimeout,
		root:           dnsserver.GetConfig(c).Root,
	}
	if err := o.setZones(c.RemainingArgs(), c.ServerBlockKeys); err != nil {
		return nil, c.Err(err.Error())
	}
	seen := map[string]bool{}
	for c.NextBlock() {
		if err := o.parseProperty(c, seen); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(o.etcd.Validate(), o.filter.validate(), o.endpoints.validate()); err != nil {
		return nil, c.Err(err.Error())
	}
	return o, o.setDefaultPath()
}

// parseProperty reads one line.
func (o *options) parseProperty(c *caddy.Controller, seen map[string]bool) error {
	name := c.Val()
	set, ok := properties[name]
	switch {
	case !ok:
		return c.Errf("unknown property '%s'", name)
	case seen[name] && !repeatable[name]:
		return c.Errf("%s: given twice", name)
	}
	seen[name] = true
	if err := set(o, c.RemainingArgs()); err != nil {
		return c.Errf("%s: %v", name, err)
	}
	return nil
}

func (o *options) setZones(args, block []string) error {
	for _, zone := range args {
		if err := validateZone(zone); err != nil {
			return err
		}
	}
	o.zones = plugin.OriginsFromArgsOrServerBlock(args, block)
	for _, zone := range o.zones {
		if !reverseName(zone) {
			return nil
		}
	}
	return fmt.Errorf("zones: %s: want at least one that is no reverse zone", strings.Join(o.zones, " "))
}

func validateZone(zone string) error {
	if len(plugin.Host(zone).NormalizeExact()) == 0 {
		return fmt.Errorf("zone %q: want a domain name or a network such as 10.0.0.0/24", zone)
	}
	return nil
}

func (o *options) setEndpoints(args []string) error {
	if len(args) == 0 {
		return errors.New("want at least one URL, such as " + defaultEndpoint)
	}
	o.etcd.Endpoints = args
	return etcd.Config{Endpoints: args}.Validate()
}

func (o *options) setCredentials(args []string) error {
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return errors.New("want USERNAME PASSWORD")
	}
	o.etcd.Username, o.etcd.Password = args[0], args[1]
	return nil
}

func (o *options) setTLS(args []string) error {
	for i := range args {
		args[i] = o.file(args[i])
	}
	c := &o.etcd
	switch len(args) {
	case 1:
		c.CACert = args[0]
	case 2:
		c.Cert, c.Key = args[0], args[1]
	case 3:
		c.Cert, c.Key, c.CACert = args[0], args[1], args[2]
	default:
		return errors.New("want CERT KEY CACERT, CERT KEY or CACERT")
	}
	files := etcd.Config{Endpoints: []string{"https://127.0.0.1:2379"}, CACert: c.CACert, Cert: c.Cert, Key: c.Key}
	return files.Validate()
}

// file returns a file name as seen from the server block's root.
func (o *options) file(name string) string {
	if o.root == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.root, name)
}

func (o *options) setPath(args []string) (err error) {
	prefix, err := one(args, "a PREFIX such as "+codec.DefaultPrefix)
	if err != nil {
		return err
	}
	o.layout, err = codec.NewLayout(prefix)
	return err
}

func (o *options) setDefaultPath() (err error) {
	if o.layout == (codec.Layout{}) {
		o.layout, err = codec.NewLayout(codec.DefaultPrefix)
	}
	return err
}

func (o *options) setTTL(args []string) error {
	want := fmt.Sprintf("SECONDS from 0 to %d", maxTTL)
	text, err := one(args, want)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxTTL {
		return fmt.Errorf("%s: want %s", text, want)
	}
	o.ttl = uint32(n)
	return nil
}

func (o *options) setShortNames(args []string) error {
	text, err := one(args, "on or off")
	if err != nil {
		return err
	}
	o.shortNames = text == "on"
	if text != "on" && text != "off" {
		return fmt.Errorf("%s: want on or off", text)
	}
	return nil
}

func (o *options) setSnapshot(args []string) error {
	name, err := one(args, "a FILE")
	o.snapshotFile = o.file(name)
	return err
}

func (o *options) setStartupTimeout(args []string) error {
	const want = "a DURATION such as 5s"
	text, err := one(args, want)
	if err != nil {
		return err
	}
	o.startupTimeout, err = time.ParseDuration(text)
	if err != nil || o.startupTimeout < 0 {
		return fmt.Errorf("%s: want %s", text, want)
	}
	return nil
}

func (o *options) setFallthrough(args []string) error {
	for _, zone := range args {
		if err := validateZone(zone); err != nil {
			return err
		}
	}
	o.fall.SetZonesFromArgs(args)
	return nil
}

// registry names the registry that a stanza follows.
func (o *options) registry() string { return o.etcd.Endpoints[0] + o.layout.Prefix() }

// same reports whether two stanzas can't be told apart: they follow one
// registry, and for the same zones.
func (o *options) same(other *options) bool {
	return o.layout == other.layout && slices.Equal(o.etcd.Endpoints, other.etcd.Endpoints) && slices.Equal(o.zones, other.zones)
}

// one returns a property's only argument.
func one(args []string, want string) (string, error) {
	if len(args) != 1 || args[0] == "" {
		return "", fmt.Errorf("want %s, and nothing else", want)
	}
	return args[0], nil
}
