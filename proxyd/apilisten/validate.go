package apilisten

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// SettingError says which setting of the API is wrong, and why.
type SettingError struct {
	// Setting is the setting's name, such as "tls-cert".
	Setting string
	Err     error
}

// Error names the setting.
func (e *SettingError) Error() string { return e.Setting + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the setting.
func (e *SettingError) Unwrap() error { return e.Err }

func settingError(setting string, err error) error {
	if err == nil {
		return nil
	}
	return &SettingError{setting, err}
}

// Validate reports every setting that is wrong, each as a *SettingError. It
// reads no file.
func (c *Config) Validate() error {
	errs := []error{
		settingError("listen", c.validateListen()),
		settingError("tls-key", together(c.TLSCert, c.TLSKey, "the certificate's key")),
		settingError("tls-cert", together(c.TLSKey, c.TLSCert, "the key's certificate")),
		settingError("header-timeout", between(c.HeaderTimeout, 100*time.Millisecond, time.Hour)),
		settingError("idle-timeout", between(c.IdleTimeout, time.Second, 24*time.Hour)),
		settingError("stall-timeout", between(c.StallTimeout, time.Second, 24*time.Hour)),
		settingError("max-header", within(c.MaxHeader, 1<<10, 1<<20, "bytes")),
		settingError("max-body", within(c.MaxBody, 0, math.MaxInt, "bytes")),
		settingError("max-connections", within(c.MaxConnections, 1, 1<<20, "connections")),
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		errs = append(errs, settingError("tls-client-ca", errors.New("clients show certificates in TLS only: want --api-tls-cert and --api-tls-key, too")))
	}
	return errors.Join(errs...)
}

// validateListen refuses to be reached from elsewhere by anybody, or without
// TLS.
func (c *Config) validateListen() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q: want HOST:PORT, or nothing to switch it off", c.Listen)
	}
	switch {
	case c.Insecure || isLoopback(host):
		return nil
	case c.TLSCert == "" || c.TLSKey == "":
		return fmt.Errorf("%q: others can reach this address: want --api-tls-cert and --api-tls-key, or --api-insecure", c.Listen)
	case c.TLSClientCA == "" && c.TokenFile == "":
		return fmt.Errorf("%q: others can reach this address: want --api-tls-client-ca or --api-token-file, so that not everybody may, or --api-insecure", c.Listen)
	}
	return nil
}

// isLoopback reports whether nobody else can reach a host. Names may lead
// anywhere, but for the one that never does (RFC 6761, 6.3).
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || host == "localhost"
}

// together wants the second of two settings where the first is given.
func together(first, second, what string) error {
	if first != "" && second == "" {
		return errors.New("missing: want " + what)
	}
	return nil
}

func between(d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("%v: want %v to %v", d, low, high)
	}
	return nil
}

func within(n, low, high int, what string) error {
	if n < low || n > high {
		return fmt.Errorf("%d: want %d to %d %s", n, low, high, what)
	}
	return nil
}
