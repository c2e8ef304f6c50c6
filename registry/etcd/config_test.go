package etcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestValidate(t *testing.T) {
	files := registrytest.KeyPair(t)
	other := registrytest.KeyPair(t)
	noPEM := filepath.Join(t.TempDir(), "no.pem")
	if err := os.WriteFile(noPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	local := []string{"https://127.0.0.1:2379"}
	tests := []struct {
		name   string
		config Config
		want   []string // what the error says, line by line; none if it is valid
	}{
		{"one http", Config{Endpoints: []string{"http://127.0.0.1:2379"}}, nil},
		{"scheme in capitals, slash", Config{Endpoints: []string{"HTTP://etcd.example.org:2379/"}}, nil},
		{"bare", Config{Endpoints: []string{"etcd.example.org:2379", "[2001:db8::1]:2379"}}, nil},
		{"bare with TLS beside https", Config{Endpoints: []string{"a:2379", "https://b:2379"}, CACert: files.CertFile}, nil},
		{"system authorities", Config{Endpoints: local}, nil},
		{"client certificate", Config{Endpoints: local, CACert: files.CertFile, Cert: files.CertFile, Key: files.KeyFile}, nil},
		{"user", Config{Endpoints: local, Username: "u", Password: "p"}, nil},

		{"none", Config{}, []string{"endpoints: none given"}},
		{"empty", Config{Endpoints: []string{""}}, []string{`endpoints[0]: "": want a host and a port`}},
		{"scheme", Config{Endpoints: []string{"a:1", "ftp://a:1"}}, []string{`endpoints[1]: "ftp://a:1": the scheme is "ftp": want http or https`}},
		{"no port", Config{Endpoints: []string{"http://a"}}, []string{`endpoints[0]: "http://a": want a host and a port`}},
		{"no host", Config{Endpoints: []string{"http://:2379"}}, []string{`endpoints[0]: "http://:2379": want a host and a port`}},
		{"port", Config{Endpoints: []string{"a:70000"}}, []string{`endpoints[0]: "a:70000": the port is "70000": want 1 to 65535`}},
		{"path", Config{Endpoints: []string{"http://a:1/v3"}}, []string{`endpoints[0]: "http://a:1/v3": want http://HOST:PORT`}},
		{"password in URL", Config{Endpoints: []string{"http://u:secret@a:1"}}, []string{`endpoints[0]: "http://u:xxxxx@a:1": want http://HOST:PORT`}},
		{"two in one", Config{Endpoints: []string{"http://a:1,http://b:1"}}, []string{"endpoints[0]: "}},
		{"mixed", Config{Endpoints: []string{"https://a:1", "http://b:1"}}, []string{`endpoints[1]: "http://b:1": want all endpoints with TLS or all without, as "https://a:1"`}},
		{"http with authority", Config{Endpoints: []string{"http://a:1"}, CACert: files.CertFile}, []string{`endpoints[0]: "http://a:1": want https://`}},
		{"no username", Config{Endpoints: local, Password: "p"}, []string{"username: missing"}},
		{"no password", Config{Endpoints: local, Username: "u"}, []string{`password: missing: the username "u"`}},
		{"no key", Config{Endpoints: local, Cert: files.CertFile}, []string{"key: missing: the certificate " + files.CertFile}},
		{"no cert", Config{Endpoints: local, Key: files.KeyFile}, []string{"cert: missing: the key " + files.KeyFile}},
		{"CA file missing", Config{Endpoints: local, CACert: "/nowhere/ca.pem"}, []string{"cacert: open /nowhere/ca.pem: no such file"}},
		{"CA not PEM", Config{Endpoints: local, CACert: noPEM}, []string{"cacert: " + noPEM + ": want a file of PEM certificates"}},
		{"cert file missing", Config{Endpoints: local, Cert: "/nowhere/cert.pem", Key: files.KeyFile}, []string{"cert: open /nowhere/cert.pem: no such file"}},
		{"key file missing", Config{Endpoints: local, Cert: files.CertFile, Key: "/nowhere/key.pem"}, []string{"key: open /nowhere/key.pem: no such file"}},
		{"key not PEM", Config{Endpoints: local, Cert: files.CertFile, Key: noPEM}, []string{"cert " + files.CertFile + ", key " + noPEM + ": tls: failed to find any PEM data in key"}},
		{"key of another", Config{Endpoints: local, Cert: files.CertFile, Key: other.KeyFile}, []string{"private key does not match"}},
		{"several", Config{Password: "p"}, []string{"username: missing", "endpoints: none given"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.config.Validate()
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err == nil {
				return
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(test.want) {
				t.Fatalf("got %q, want %q", lines, test.want)
			}
			for i := range lines {
				if !strings.Contains(lines[i], test.want[i]) {
					t.Errorf("got %q, want %q", lines[i], test.want[i])
				}
			}
		})
	}
}
