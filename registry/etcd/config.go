// Package etcd connects to the etcd that holds a registry.
package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/tlsutil"
)

// Config says which etcd to use, and how to prove who we are.
type Config struct {
	// Endpoints are the members' addresses: "http://HOST:PORT",
	// "https://HOST:PORT" or "HOST:PORT", all with TLS or all without. A bare
	// HOST:PORT uses TLS where one of the files below is given.
	Endpoints []string
	// Username and Password are those of an etcd user; both or none.
	Username, Password string
	// CACert is the file of the authorities that may sign the members'
	// certificates, PEM; the system's authorities where it is empty.
	CACert string
	// Cert and Key are the files of the client's certificate and its key,
	// PEM; both or none. They are read again for each connection.
	Cert, Key string
}

// Validate reports everything that is wrong with the configuration. Each error
// begins with the name of the field. It reads the files but contacts nobody.
func (c Config) Validate() error {
	errs := []error{c.validateUser(), c.validateCACert(), c.validateKeyPair()}
	if len(c.Endpoints) == 0 {
		errs = append(errs, errors.New("endpoints: none given: want at least one, such as http://127.0.0.1:2379"))
	}
	for i := range c.Endpoints {
		errs = append(errs, c.validateEndpoint(i))
	}
	return errors.Join(errs...)
}

func (c Config) validateUser() error {
	switch {
	case c.Username == "" && c.Password != "":
		return errors.New("username: missing: a password is given")
	case c.Username != "" && c.Password == "":
		return fmt.Errorf("password: missing: the username %q is given", c.Username)
	}
	return nil
}

func (c Config) validateCACert() error {
	if c.CACert == "" {
		return nil
	}
	pool, err := tlsutil.NewCertPool([]string{c.CACert})
	if err != nil {
		return fileError("cacert", c.CACert, err)
	}
	if pool.Equal(emptyPool) {
		return fmt.Errorf("cacert: %s: want a file of PEM certificates, found none in it", c.CACert)
	}
	return nil
}

func (c Config) validateKeyPair() error {
	switch {
	case c.Cert == "" && c.Key == "":
		return nil
	case c.Key == "":
		return fmt.Errorf("key: missing: the certificate %s is given", c.Cert)
	case c.Cert == "":
		return fmt.Errorf("cert: missing: the key %s is given", c.Key)
	}
	cert, err := os.ReadFile(c.Cert)
	if err != nil {
		return fileError("cert", c.Cert, err)
	}
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return fileError("key", c.Key, err)
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return fmt.Errorf("cert %s, key %s: %w", c.Cert, c.Key, err)
	}
	return nil
}

// fileError names a file once, whether or not the error does.
func fileError(field, file string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", field, err)
	}
	return fmt.Errorf("%s: %s: %w", field, file, err)
}

// hasTLS reports whether anything is configured that only TLS needs.
func (c Config) hasTLS() bool { return c.CACert != "" || c.Cert != "" || c.Key != "" }

func (c Config) validateEndpoint(i int) error {
	e, err := c.endpoint(i)
	if err == nil {
		err = c.validateTLS(e)
	}
	if err != nil {
		return fmt.Errorf("endpoints[%d]: %s: %w", i, redact(c.Endpoints[i]), err)
	}
	return nil
}

// validateTLS checks that an endpoint agrees with the rest about TLS. The
// client takes what holds for the first endpoint to hold for all, so a mix
// would be plain text where TLS was asked for.
func (c Config) validateTLS(e endpoint) error {
	if !e.secure && c.hasTLS() {
		return errors.New("want https:// since a certificate or an authority is given")
	}
	if first, err := c.endpoint(0); err == nil && first.secure != e.secure {
		return fmt.Errorf("want all endpoints with TLS or all without, as %s", redact(c.Endpoints[0]))
	}
	return nil
}

// endpoint is a parsed member address.
type endpoint struct {
	hostPort string
	secure   bool
}

// String returns the address as the etcd client wants it.
func (e endpoint) String() string {
	if e.secure {
		return "https://" + e.hostPort
	}
	return "http://" + e.hostPort
}

// endpoint parses the i-th of the endpoints.
func (c Config) endpoint(i int) (endpoint, error) {
	scheme, rest, found := strings.Cut(c.Endpoints[i], "://")
	if !found {
		scheme, rest = "", c.Endpoints[i]
	}
	e := endpoint{strings.TrimSuffix(rest, "/"), c.hasTLS()}
	switch strings.ToLower(scheme) {
	case "":
	case "http":
		e.secure = false
	case "https":
		e.secure = true
	default:
		return e, fmt.Errorf("the scheme is %q: want http or https", scheme)
	}
	return e, validateHostPort(e.hostPort)
}

func validateHostPort(hostPort string) error {
	if strings.ContainsAny(hostPort, "/?#@ ") {
		return errors.New("want http://HOST:PORT or https://HOST:PORT and nothing else")
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" {
		return errors.New("want a host and a port, such as http://127.0.0.1:2379")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("the port is %q: want 1 to 65535", port)
	}
	return nil
}

// redact returns a quoted address without the password that somebody may have
// put in it.
func redact(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		return strconv.Quote(u.Redacted())
	}
	return strconv.Quote(address)
}
