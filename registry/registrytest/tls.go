package registrytest

import (
	"crypto/x509"
	"testing"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// KeyPair makes a certificate for 127.0.0.1 that is its own authority, for a
// server or a client.
func KeyPair(tb testing.TB) transport.TLSInfo {
	tb.Helper()
	info, err := transport.SelfCert(zap.NewNop(), tb.TempDir(), []string{"127.0.0.1:0"}, 1, x509.ExtKeyUsageClientAuth)
	if err != nil {
		tb.Fatal(err)
	}
	return info
}

// WithTLS has an etcd show one certificate, and want the other from clients.
// Its Client can't be used then.
func WithTLS(server, client transport.TLSInfo) func(*embed.Config) {
	return func(c *embed.Config) {
		c.ClientTLSInfo = transport.TLSInfo{
			CertFile: server.CertFile, KeyFile: server.KeyFile, TrustedCAFile: client.CertFile, ClientCertAuth: true,
		}
		c.ListenClientUrls[0].Scheme, c.AdvertiseClientUrls[0].Scheme = "https", "https"
	}
}
