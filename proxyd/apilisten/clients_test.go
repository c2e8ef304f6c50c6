package apilisten

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// A client is one IPv4 address, however it is written, or a /64 of IPv6.
func TestClientOf(t *testing.T) {
	for at, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1/32", "[::ffff:192.0.2.1]:80": "192.0.2.1/32",
		"[2001:db8::1]:80": "2001:db8::/64", "[2001:db8::ffff:0:0:1]:443": "2001:db8::/64", "[2001:db8:0:1::1]:80": "2001:db8:0:1::/64",
		"[fe80::1%eth0]:80": "fe80::/64",
	} {
		if got := clientOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))); got.String() != want {
			t.Errorf("%s is %v, want %s", at, got, want)
		}
	}
}

// A connection may be older than its client's certificate.
func TestExpiredCertificate(t *testing.T) {
	for _, tt := range []struct {
		ends time.Duration
		want bool
	}{{time.Hour, true}, {-time.Second, false}} {
		leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "alice"}, NotAfter: time.Now().Add(tt.ends)}
		r := &http.Request{TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}}
		if got := (&authenticator{certificates: true}).certified(r); (got != nil) != tt.want {
			t.Errorf("it ends in %v: %v", tt.ends, got)
		}
	}
}
