package svcreg

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/google/go-cmp/cmp"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// parsed is what a test looks at of options.
type parsed struct {
	Zones, Fall []string
	Etcd        etcd.Config
	Path        string
	TTL         uint32
	ShortNames  bool
	Snapshot    string
	Timeout     time.Duration
}

func defaults(change func(*parsed)) parsed {
	p := parsed{
		Zones: []string{"cluster.local."}, Etcd: etcd.Config{Endpoints: []string{"http://127.0.0.1:2379"}},
		Path: "/registry", TTL: 5, ShortNames: true, Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&p)
	}
	return p
}

func parseText(t testing.TB, stanza string) (*options, error) {
	t.Helper()
	c := caddy.NewTestController("dns", stanza)
	c.ServerBlockKeys = []string{"dns://block.example:53"}
	stanzas, err := parse(c)
	if err != nil {
		return nil, err
	}
	return stanzas[0], nil
}

func TestParse(t *testing.T) {
	files := registrytest.KeyPair(t)
	for _, tt := range []struct {
		name, stanza string
		want         parsed
	}{
		{"bare", "svcreg cluster.local", defaults(nil)},
		{"empty block", "svcreg cluster.local {\n}", defaults(nil)},
		{"zones of the block", "svcreg", defaults(func(p *parsed) { p.Zones = []string{"block.example."} })},
		{"several zones", "svcreg Cluster.Local . in-addr.arpa", defaults(func(p *parsed) {
			p.Zones = []string{"cluster.local.", ".", "in-addr.arpa."}
		})},
		{"a network", "svcreg cluster.local 10.0.0.0/23", defaults(func(p *parsed) {
			p.Zones = []string{"cluster.local.", "0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa."}
		})},
		{"endpoint", "svcreg cluster.local {\nendpoint http://192.0.2.1:2379 http://192.0.2.2:2379\n}", defaults(func(p *parsed) {
			p.Etcd.Endpoints = []string{"http://192.0.2.1:2379", "http://192.0.2.2:2379"}
		})},
		{"credentials", "svcreg cluster.local {\ncredentials root secret\n}", defaults(func(p *parsed) {
			p.Etcd.Username, p.Etcd.Password = "root", "secret"
		})},
		{"tls with all", "svcreg cluster.local {\nendpoint https://etcd.example.org:2379\ntls " + files.CertFile + " " + files.KeyFile + " " + files.CertFile + "\n}", defaults(func(p *parsed) {
			p.Etcd = etcd.Config{Endpoints: []string{"https://etcd.example.org:2379"}, Cert: files.CertFile, Key: files.KeyFile, CACert: files.CertFile}
		})},
		{"tls with an authority", "svcreg cluster.local {\ntls " + files.CertFile + "\nendpoint https://etcd.example.org:2379\n}", defaults(func(p *parsed) {
			p.Etcd = etcd.Config{Endpoints: []string{"https://etcd.example.org:2379"}, CACert: files.CertFile}
		})},
		{"tls with a certificate", "svcreg cluster.local {\nendpoint https://etcd.example.org:2379\ntls " + files.CertFile + " " + files.KeyFile + "\n}", defaults(func(p *parsed) {
			p.Etcd = etcd.Config{Endpoints: []string{"https://etcd.example.org:2379"}, Cert: files.CertFile, Key: files.KeyFile}
		})},
		{"path", "svcreg cluster.local {\npath /fleet/registry\n}", defaults(func(p *parsed) { p.Path = "/fleet/registry" })},
		{"ttl", "svcreg cluster.local {\nttl 3600\n}", defaults(func(p *parsed) { p.TTL = 3600 })},
		{"no ttl", "svcreg cluster.local {\nttl 0\n}", defaults(func(p *parsed) { p.TTL = 0 })},
		{"short_names", "svcreg cluster.local {\nshort_names off\n}", defaults(func(p *parsed) { p.ShortNames = false })},
		{"snapshot", "svcreg cluster.local {\nsnapshot /var/lib/svcreg/dns\n}", defaults(func(p *parsed) { p.Snapshot = "/var/lib/svcreg/dns" })},
		{"startup_timeout", "svcreg cluster.local {\nstartup_timeout 300ms\n}", defaults(func(p *parsed) { p.Timeout = 300 * time.Millisecond })},
		{"fallthrough", "svcreg cluster.local {\nfallthrough\n}", defaults(func(p *parsed) { p.Fall = []string{"."} })},
		{"fallthrough of zones", "svcreg cluster.local {\nfallthrough in-addr.arpa ip6.arpa\n}", defaults(func(p *parsed) {
			p.Fall = []string{"in-addr.arpa.", "ip6.arpa."}
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseText(t, tt.stanza)
			if err != nil {
				t.Fatal(err)
			}
			got := parsed{o.zones, o.fall.Zones, o.etcd, o.layout.Prefix(), o.ttl, o.shortNames, o.snapshotFile, o.startupTimeout}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	const at = "Testfile:2 - Error during parsing: "
	for _, tt := range []struct{ line, want string }{
		{"unheard_of", at + "unknown property 'unheard_of'"},
		{"endpoint", at + "endpoint: want at least one URL, such as http://127.0.0.1:2379"},
		{"endpoint ftp://192.0.2.1:2379", at + `endpoint: endpoints[0]: "ftp://192.0.2.1:2379": the scheme is "ftp": want http or https`},
		{"endpoint http://192.0.2.1", at + `endpoint: endpoints[0]: "http://192.0.2.1": want a host and a port, such as http://127.0.0.1:2379`},
		{"credentials root", at + "credentials: want USERNAME PASSWORD"},
		{"credentials root secret more", at + "credentials: want USERNAME PASSWORD"},
		{`credentials root ""`, at + "credentials: want USERNAME PASSWORD"},
		{"tls", at + "tls: want CERT KEY CACERT, CERT KEY or CACERT"},
		{"tls a b c d", at + "tls: want CERT KEY CACERT, CERT KEY or CACERT"},
		{"tls /none/ca.pem", at + "tls: cacert: open /none/ca.pem: no such file or directory"},
		{"tls /none/cert.pem /none/key.pem", at + "tls: cert: open /none/cert.pem: no such file or directory"},
		{"path registry", at + `path: registry prefix "registry": want a path such as "/registry", without a slash at the end`},
		{"path", at + "path: want a PREFIX such as /registry, and nothing else"},
		{"ttl", at + "ttl: want SECONDS from 0 to 3600, and nothing else"},
		{"ttl 5 6", at + "ttl: want SECONDS from 0 to 3600, and nothing else"},
		{"ttl -1", at + "ttl: -1: want SECONDS from 0 to 3600"},
		{"ttl 3601", at + "ttl: 3601: want SECONDS from 0 to 3600"},
		{"ttl 5s", at + "ttl: 5s: want SECONDS from 0 to 3600"},
		{"short_names", at + "short_names: want on or off, and nothing else"},
		{"short_names yes", at + "short_names: yes: want on or off"},
		{"snapshot", at + "snapshot: want a FILE, and nothing else"},
		{"snapshot a b", at + "snapshot: want a FILE, and nothing else"},
		{"startup_timeout", at + "startup_timeout: want a DURATION such as 5s, and nothing else"},
		{"startup_timeout 5", at + "startup_timeout: 5: want a DURATION such as 5s"},
		{"startup_timeout -5s", at + "startup_timeout: -5s: want a DURATION such as 5s"},
		{"fallthrough 10.0.0.0/99x:", at + `fallthrough: zone "10.0.0.0/99x:": want a domain name or a network such as 10.0.0.0/24`},
		{"ttl 5\nttl 6", "Testfile:3 - Error during parsing: ttl: given twice"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			_, err := parseText(t, "svcreg cluster.local {\n"+tt.line+"\n}")
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestParseStanzaErrors(t *testing.T) {
	files := registrytest.KeyPair(t)
	for _, tt := range []struct{ name, stanza, want string }{
		{"zone", "svcreg 10.0.0.0/99x:", `Testfile:1 - Error during parsing: zone "10.0.0.0/99x:": want a domain name or a network such as 10.0.0.0/24`},
		{"reverse zones only", "svcreg in-addr.arpa 10.0.0.0/24",
			"Testfile:1 - Error during parsing: zones: in-addr.arpa. 0.0.10.in-addr.arpa.: want at least one that is no reverse zone"},
		{"twice the same", "svcreg a.example\nsvcreg b.example\nsvcreg a.example",
			"Testfile:3 - Error during parsing: zones a.example. of http://127.0.0.1:2379/registry: given twice"},
		{"certificate without TLS", "svcreg cluster.local {\ntls " + files.CertFile + "\n}",
			`Testfile:3 - Error during parsing: endpoints[0]: "http://127.0.0.1:2379": want https:// since a certificate or an authority is given`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseText(t, tt.stanza)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// A server block may have several stanzas, for other zones or of other
// registries.
func TestParseSeveralStanzas(t *testing.T) {
	c := caddy.NewTestController("dns", "svcreg a.example\nsvcreg b.example\nsvcreg a.example {\npath /fleet\n}")
	stanzas, err := parse(c)
	if err != nil || len(stanzas) != 3 || stanzas[2].layout.Prefix() != "/fleet" || stanzas[1].zones[0] != "b.example." {
		t.Errorf("got %v, error %v", stanzas, err)
	}
}

// Errors of the setup name the plugin, and no error repeats a password.
func TestSetupErrors(t *testing.T) {
	err := setup(caddy.NewTestController("dns", "svcreg cluster.local {\ncredentials root secret more\n}"))
	if err == nil || !strings.HasPrefix(err.Error(), "plugin/svcreg: Testfile:2") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// Relative files are seen from the root plugin's directory.
func TestParseRoot(t *testing.T) {
	dir := t.TempDir()
	c := caddy.NewTestController("dns", "svcreg cluster.local {\nsnapshot dns.snapshot\n}")
	dnsserver.GetConfig(c).Root = dir
	o, err := parse(c)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "dns.snapshot"); o[0].snapshotFile != want {
		t.Errorf("got %s, want %s", o[0].snapshotFile, want)
	}
}
