package apilisten_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apilisten"
)

// whoami answers with who asks, and with what is left of the Authorization.
func whoami(w http.ResponseWriter, r *http.Request) {
	u := apilisten.UserOf(r.Context())
	fmt.Fprintf(w, "%s %v %q", u.Name, u.Groups, r.Header.Get("Authorization"))
}

func bearer(token string) http.Header { return http.Header{"Authorization": {token}} }

func TestTokens(t *testing.T) {
	tokens := file(t, "tokens.csv", "# who may ask\nsecret-1,alice,1,\"web, ops\"\nsecret-2,bob,2\n")
	r := serve(t, whoami, func(c *apilisten.Config) { c.TokenFile = tokens })
	tests := map[string]struct {
		header http.Header
		code   int
		want   string
	}{
		"with groups":           {bearer("Bearer secret-1"), 200, `alice [system:authenticated web ops] ""`},
		"without groups":        {bearer("bearer  secret-2"), 200, `bob [system:authenticated] ""`},
		"wrong":                 {bearer("Bearer secret-3"), 401, `"reason":"Unauthorized"`},
		"a beginning of one":    {bearer("Bearer secret-"), 401, `"message":"Unauthorized"`},
		"empty":                 {bearer("Bearer "), 401, `"code":401`},
		"another scheme":        {bearer("Basic secret-1"), 401, `"kind":"Status"`},
		"none":                  {nil, 401, `"status":"Failure"`},
		"the user, not a token": {bearer("Bearer alice"), 401, `"apiVersion":"v1"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, body := ask(t, http.DefaultClient, "GET", "http://"+r.Addr().String()+"/", tt.header)
			if code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s, want %d %s", code, body, tt.code, tt.want)
			}
		})
	}
	resp, err := http.Get("http://" + r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("WWW-Authenticate") == "" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the header of a 401: %v", resp.Header)
	}
}

// Tokens are read again when they change. A file that is wrong, or gone,
// changes nothing but the log, which never tells a token.
func TestTokensChange(t *testing.T) {
	t.Parallel()
	tokens := file(t, "tokens.csv", "secret-1,alice,1\n")
	r := serve(t, whoami, func(c *apilisten.Config) { c.TokenFile = tokens })
	says := func(token string, code int) func() error {
		return func() error {
			if got, body := ask(t, http.DefaultClient, "GET", "http://"+r.Addr().String(), bearer("Bearer "+token)); got != code {
				return fmt.Errorf("%s: %d %s, want %d", token, got, body, code)
			}
			return nil
		}
	}
	eventually(t, says("secret-1", 200))
	rewrite(t, tokens, "secret-9,alice,1\n")
	eventually(t, says("secret-9", 200))
	eventually(t, says("secret-1", 401))
	rewrite(t, tokens, "secret-8,alice\n")
	eventually(t, func() error {
		if err := says("secret-9", 200)(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.log.String(), `line 1: want token,user,uid`) {
			return errors.New("the log doesn't tell")
		}
		return nil
	})
	if log := r.log.String(); strings.Contains(log, "secret") || strings.Count(log, "line 1") != 1 {
		t.Errorf("the log tells tokens, or the same twice:\n%s", log)
	}
}

func TestTokenFileRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"":                        `want lines of token,user,uid[,"group,group"], found none`,
		"secret":                  `line 1: want token,user,uid[,"group,group"]`,
		"secret,alice":            `line 1: want token,user,uid[,"group,group"]`,
		"secret,,1":               "line 1: want a token without spaces, and a user",
		",alice,1":                "line 1: want a token without spaces, and a user",
		"a b,alice,1":             "line 1: want a token without spaces, and a user",
		"x,a,1\nsecret,\"b,2\n":   `line 2: extraneous or missing " in quoted-field`,
		"secret,a,1\nsecret,b,2":  "line 2: the token stands on an earlier line, too",
		"x,a,1\n\n\nsecret,b":     `line 4: want token,user,uid[,"group,group"]`,
		"x,a,1,g\nsecret\"x,b,2,": `line 2: bare " in non-quoted-field`,
	} {
		c := apilisten.DefaultConfig()
		c.Listen, c.TokenFile = "127.0.0.1:0", file(t, "tokens.csv", content)
		_, err := apilisten.Open(t.Context(), c, http.NotFoundHandler())
		if got := strings.TrimPrefix(message(err), "token-file: "+c.TokenFile+": "); got != want {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

// Certificates say who a client is, and its groups; those of other authorities
// are refused, and without any it takes a token.
func TestCertificates(t *testing.T) {
	t.Parallel()
	server, clients := newAuthority(t, "server"), newAuthority(t, "clients")
	cert, key := server.pair("server")
	certFile, keyFile, caFile := file(t, "cert", cert), file(t, "key", key), file(t, "ca", clients.pem)
	tokens := file(t, "tokens.csv", "secret-1,bob,1\n")
	r := serve(t, whoami, func(c *apilisten.Config) {
		c.TLSCert, c.TLSKey, c.TLSClientCA, c.TokenFile = certFile, keyFile, caFile, tokens
	})
	url := "https://" + r.Addr().String()
	aliceCert, aliceKey := clients.pair("alice", "web", "ops")
	malloryCert, malloryKey := server.pair("alice")
	namelessCert, namelessKey := clients.pair("")
	alice := client(t, server, aliceCert, aliceKey)
	tests := map[string]struct {
		client *http.Client
		header http.Header
		code   int
		want   string
	}{
		"a certificate":                     {alice, nil, 200, `alice [system:authenticated ops web] ""`},
		"a certificate, another's password": {alice, bearer("Basic x"), 200, `alice [system:authenticated ops web] "Basic x"`},
		"a token":                           {client(t, server), bearer("Bearer secret-1"), 200, `bob [system:authenticated] ""`},
		"both: the token counts":            {alice, bearer("Bearer secret-1"), 200, `bob [system:authenticated] ""`},
		"a certificate, a wrong token":      {alice, bearer("Bearer secret-2"), 401, "Unauthorized"},
		"neither":                           {client(t, server), nil, 401, "Unauthorized"},
		"no name":                           {client(t, server, namelessCert, namelessKey), nil, 401, "Unauthorized"},
		"another authority's":               {client(t, server, malloryCert, malloryKey), nil, 0, "unknown certificate authority"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if code, body := ask(t, tt.client, "GET", url, tt.header); code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s, want %d %s", code, body, tt.code, tt.want)
			}
		})
	}

	// Both the server's certificate and the authority change.
	other := newAuthority(t, "other")
	cert, key = other.pair("server")
	rewrite(t, keyFile, key) // does not fit its certificate yet
	eventually(t, func() error {
		if code, body := ask(t, alice, "GET", url, nil); code != 200 {
			t.Fatalf("while the files don't fit: %d %s", code, body)
		}
		if !strings.Contains(r.log.String(), "private key does not match public key") {
			return errors.New("the log doesn't tell")
		}
		return nil
	})
	rewrite(t, certFile, cert)
	eventually(t, func() error {
		code, body := ask(t, client(t, other, aliceCert, aliceKey), "GET", url, nil)
		if code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	rewrite(t, caFile, other.pem)
	eventually(t, func() error {
		if _, body := ask(t, client(t, other, aliceCert, aliceKey), "GET", url, nil); !strings.Contains(body, "unknown certificate authority") {
			return errors.New("clients of the old authority are still let in: " + body)
		}
		return nil
	})
}

// Each connection asks the authorities of the day: sessions aren't resumed.
func TestNoResumption(t *testing.T) {
	server, clients := newAuthority(t, "server"), newAuthority(t, "clients")
	cert, key := server.pair("server")
	certFile, keyFile, caFile := file(t, "cert", cert), file(t, "key", key), file(t, "ca", clients.pem)
	r := serve(t, whoami, func(c *apilisten.Config) { c.TLSCert, c.TLSKey, c.TLSClientCA = certFile, keyFile, caFile })
	aliceCert, aliceKey := clients.pair("alice")
	c := client(t, server, aliceCert, aliceKey)
	c.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		resp, err := c.Get("https://" + r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.TLS.DidResume {
			t.Errorf("%s, resumed: %v", resp.Status, resp.TLS.DidResume)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	a := newAuthority(t, "server")
	cert, key := a.pair("server")
	r := serve(t, whoami, func(c *apilisten.Config) { c.TLSCert, c.TLSKey = file(t, "cert", cert), file(t, "key", key) })
	old := client(t, a)
	old.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS10
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	if code, body := ask(t, old, "GET", "https://"+r.Addr().String(), nil); code != 0 || !strings.Contains(body, "protocol version") {
		t.Errorf("TLS 1.1: %d %s", code, body)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	a := newAuthority(t, "a")
	cert, key := a.pair("server")
	certFile, keyFile := file(t, "cert", cert), file(t, "key", key)
	empty := file(t, "empty", "")
	tests := map[string]struct {
		change func(*apilisten.Config)
		want   string
	}{
		"no certificate": {func(c *apilisten.Config) { c.TLSCert, c.TLSKey = "/nowhere/cert", keyFile }, "tls-cert: stat /nowhere/cert: no such file or directory"},
		"no key":         {func(c *apilisten.Config) { c.TLSCert, c.TLSKey = certFile, "/nowhere/key" }, "tls-key: stat /nowhere/key: no such file or directory"},
		"not a pair":     {func(c *apilisten.Config) { c.TLSCert, c.TLSKey = certFile, empty }, "tls-cert: " + certFile + ": tls: failed to find any PEM data in key input"},
		"no authority":   {func(c *apilisten.Config) { c.TLSCert, c.TLSKey, c.TLSClientCA = certFile, keyFile, empty }, "tls-client-ca: " + empty + ": want PEM certificates, found none"},
		"no tokens":      {func(c *apilisten.Config) { c.TokenFile = "/nowhere/tokens" }, "token-file: stat /nowhere/tokens: no such file or directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := apilisten.DefaultConfig()
			c.Listen = "127.0.0.1:0"
			tt.change(&c)
			if _, err := apilisten.Open(t.Context(), c, http.NotFoundHandler()); message(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestListenAddresses(t *testing.T) {
	tests := []struct {
		address string
		change  func(*apilisten.Config)
		want    string // what the error ends with
	}{
		{"127.0.0.1:8080", nil, ""},
		{"127.8.8.8:8080", nil, ""},
		{"[::1]:8080", nil, ""},
		{"[::ffff:127.0.0.1]:8080", nil, ""},
		{"localhost:8080", nil, ""},
		{"", nil, "want HOST:PORT, or nothing to switch it off"},
		{"127.0.0.1", nil, "want HOST:PORT, or nothing to switch it off"},
		{"127.0.0.1:http", nil, "want HOST:PORT, or nothing to switch it off"},
		{":8080", nil, "want --api-tls-cert and --api-tls-key, or --api-insecure"},
		{"0.0.0.0:8080", nil, "want --api-tls-cert and --api-tls-key, or --api-insecure"},
		{"192.0.2.1:8080", nil, "want --api-tls-cert and --api-tls-key, or --api-insecure"},
		{"localhost.example.org:8080", nil, "want --api-tls-cert and --api-tls-key, or --api-insecure"},
		{"192.0.2.1:8080", func(c *apilisten.Config) { c.TokenFile = "t" }, "want --api-tls-cert and --api-tls-key, or --api-insecure"},
		{"192.0.2.1:8080", func(c *apilisten.Config) { c.Insecure = true }, ""},
		{"192.0.2.1:8080", func(c *apilisten.Config) { c.TLSCert, c.TLSKey = "c", "k" }, "so that not everybody may, or --api-insecure"},
		{"192.0.2.1:8080", func(c *apilisten.Config) { c.TLSCert, c.TLSKey, c.TokenFile = "c", "k", "t" }, ""},
		{"192.0.2.1:8080", func(c *apilisten.Config) { c.TLSCert, c.TLSKey, c.TLSClientCA = "c", "k", "a" }, ""},
	}
	for _, tt := range tests {
		c := apilisten.DefaultConfig()
		c.Listen = tt.address
		if tt.change != nil {
			tt.change(&c)
		}
		err := c.Validate()
		if (tt.want == "") != (err == nil) || !strings.HasSuffix(message(err), tt.want) {
			t.Errorf("%q: %v, want %q", tt.address, err, tt.want)
		}
		if setting, ok := errors.AsType[*apilisten.SettingError](err); err != nil && (!ok || setting.Setting != "listen") {
			t.Errorf("%q: the error names no setting: %v", tt.address, err)
		}
	}
}

// A request that came through no Server is nobody's.
func TestUserOfNoServer(t *testing.T) {
	if u := apilisten.UserOf(context.Background()); u.Name != "system:anonymous" || len(u.Groups) != 1 || u.Groups[0] != "system:unauthenticated" {
		t.Errorf("%v", u)
	}
}
