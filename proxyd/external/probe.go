package external

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry"
)

// target is where an endpoint is checked.
type target struct {
	addr     netip.AddrPort
	protocol registry.Protocol
	host     string // what HTTP requests are for
}

// probe makes one check. It returns why the endpoint failed.
func (c *check) probe(ctx context.Context, t target) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	switch c.method {
	case "http", "https":
		return plain(c.probeHTTP(ctx, t))
	case "dns":
		return plain(c.probeDNS(ctx, t))
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.addr.String())
	if err != nil {
		return plain(err)
	}
	return conn.Close()
}

// probeHTTP wants a status of 200 to 399. Redirects aren't followed.
func (c *check) probeHTTP(ctx context.Context, t target) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.method+"://"+t.addr.String()+c.path, nil)
	if err != nil {
		return err
	}
	request.Host = t.host
	request.Header.Set("User-Agent", "svcreg-health-check")
	transport := &http.Transport{
		DisableKeepAlives: true,
		// The check asks whether somebody serves there. Whose certificate it
		// is matters to those who talk to the service, as with kubelet's.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: t.host}, //nolint:gosec // see above
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
	_ = response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("HTTP status %d", response.StatusCode)
	}
	return nil
}

// probeDNS asks for the root's name servers. Any answer will do but that the
// server has failed: most servers refuse, or know nothing of the root.
func (c *check) probeDNS(ctx context.Context, t target) error {
	client := &dns.Client{Net: "udp", Timeout: c.timeout}
	if t.protocol == registry.TCP {
		client.Net = "tcp"
	}
	response, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(".", dns.TypeNS), t.addr.String())
	if err != nil {
		return err
	}
	if response.Rcode == dns.RcodeServerFailure {
		return errors.New("DNS SERVFAIL")
	}
	return nil
}

// portOf returns the port on which endpoints with some ports are checked; ok is
// false where they have none of the protocol.
func (c *check) portOf(ports []registry.EndpointPort) (port uint16, protocol registry.Protocol, ok bool) {
	if c.port != 0 {
		return c.port, registry.TCP, true
	}
	want := []registry.Protocol{registry.TCP}
	if c.method == "dns" {
		want = []registry.Protocol{registry.UDP, registry.TCP}
	}
	for _, protocol := range want {
		for _, p := range ports {
			if p.Protocol == protocol && p.Port != 0 {
				return p.Port, protocol, true
			}
		}
	}
	return 0, "", false
}

// plain says why a connection failed in the same words each time: without the
// ports and times that would make every failure another text.
func plain(err error) error {
	var network net.Error
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errors.New("timeout")
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed")
	}
	return err
}
