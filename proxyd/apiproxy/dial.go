package apiproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// errAddress is the answer to a request whose target may not be dialled. The
// words are upstream's.
var errAddress = badRequest("address not allowed")

// dialError says that no connection to a target came to be: nothing of the
// request has been sent.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// dialer opens connections, to addresses that it may.
type dialer struct {
	net.Dialer
	allowed []netip.Prefix
	own     func(netip.AddrPort) bool
	tls     *tls.Config
}

func newDialer(c *Config) *dialer {
	d := &dialer{allowed: c.AllowAddresses, own: c.OwnAddress, tls: c.BackendTLS.Clone()}
	if d.tls == nil {
		d.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	d.tls.NextProtos = nil // requests go on as HTTP/1.1
	d.Timeout = c.DialTimeout
	d.Control = d.control
	return d
}

// control runs right before a socket is connected, with the address that it
// will be connected to: what a name resolved to can't change after that.
func (d *dialer) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !d.may(at) {
		return errAddress
	}
	return nil
}

// may reports whether a socket address may be dialled. Addresses that mean
// this node or this link to whoever dials them would lend the node's rights to
// a client (CVE-2020-8555), and so would the node's own control addresses.
func (d *dialer) may(at netip.AddrPort) bool {
	addr := at.Addr().WithZone("").Unmap()
	if slices.ContainsFunc(d.allowed, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return true
	}
	end := addr
	if b := addr.As16(); nat64.Contains(addr) {
		end = netip.AddrFrom4([4]byte(b[12:]))
	}
	return end.IsGlobalUnicast() && !thisNetwork.Contains(end) && !compatible.Contains(end) &&
		(d.own == nil || !d.own(netip.AddrPortFrom(end, at.Port())))
}

// Ranges that netip has no words for.
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")    // RFC 1122, 3.2.1.3
	compatible  = netip.MustParsePrefix("::/96")        // IPv4 inside, RFC 4291, 2.5.5.1
	nat64       = netip.MustParsePrefix("64:ff9b::/96") // IPv4 behind, RFC 6052
)

// dial opens a connection.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, dialError{err}
	}
	return conn, nil
}

// dialTLS opens a connection to an address as tlsAddress makes it, and shakes
// hands.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	address, name, err := splitTLSAddress(address)
	if err != nil {
		return nil, dialError{err}
	}
	raw, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := d.tls.Clone()
	config.ServerName = name
	conn := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, dialError{errors.Join(fmt.Errorf("TLS with %s: %w", address, err), raw.Close())}
	}
	return conn, nil
}

// tlsAddress is the address of an https target as the transport knows it: with
// the name of whom the certificate is to speak for, so that a connection that
// was opened for one service never serves another at the same address.
func tlsAddress(host, port, name string) string { return net.JoinHostPort(host+"/"+name, port) }

// splitTLSAddress undoes tlsAddress.
func splitTLSAddress(s string) (address, name string, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", "", err
	}
	host, name, _ = strings.Cut(host, "/")
	return net.JoinHostPort(host, port), name, nil
}
