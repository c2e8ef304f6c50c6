package apilisten

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// tlsConfig returns the configuration of a TLS server whose certificate, and
// whose clients' authorities, may change at any time.
func (c *Config) tlsConfig() (*tls.Config, error) {
	if _, err := os.Stat(c.TLSKey); err != nil {
		return nil, settingError("tls-key", err)
	}
	names := []string{c.TLSCert, c.TLSKey}
	if c.TLSClientCA != "" {
		if _, err := readFiles(c.Logger, parseAuthorities, c.TLSClientCA); err != nil {
			return nil, settingError("tls-client-ca", err)
		}
		names = append(names, c.TLSClientCA)
	}
	current, err := readFiles(c.Logger, serverTLS, names...)
	if err != nil {
		return nil, settingError("tls-cert", err)
	}
	config := current.get().Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.get(), nil }
	return config, nil
}

// serverTLS returns the configuration for a certificate, its key, and the
// authorities of clients, who then may show certificates. Their sessions are
// not resumed, so that each handshake asks the authorities of the day.
func serverTLS(contents [][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if len(contents) > 2 {
		if config.ClientCAs, err = parseAuthorities(contents[2:]); err != nil {
			return nil, err
		}
		config.ClientAuth, config.SessionTicketsDisabled = tls.VerifyClientCertIfGiven, true
	}
	return config, nil
}

// parseAuthorities reads certificates of authorities.
func parseAuthorities(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("want PEM certificates, found none")
	}
	return pool, nil
}
