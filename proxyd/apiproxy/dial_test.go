package apiproxy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMay(t *testing.T) {
	own := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:2379"), netip.MustParseAddrPort("[fd00::1]:2379")}
	c := &Config{
		AllowAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.8/29"), netip.MustParsePrefix("fe80::/64")},
		OwnAddress:     func(at netip.AddrPort) bool { return slices.Contains(own, at) },
	}
	d := newDialer(c)
	for at, want := range map[string]bool{
		"": false, "10.0.0.1": false, "localhost:80": false, // no socket addresses
		"10.0.0.1:80": true, "192.0.2.1:80": true, "[fd00::1]:80": true, "[2001:db8::1]:80": true, "[64:ff9b::c000:201]:80": true,
		"127.0.0.1:80": false, "127.255.0.1:80": false, "[::1]:80": false, "[::ffff:127.0.0.1]:80": false, "[::127.0.0.1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[64:ff9b::a9fe:a9fe]:80": false,
		"169.254.169.254:80": false, "[fe81::1]:80": false, "[fe81::1%eth0]:80": false, "[::ffff:169.254.1.1]:80": false,
		"224.0.0.1:80": false, "239.1.1.1:80": false, "[ff02::1]:80": false, "255.255.255.255:80": false,
		"0.0.0.0:80": false, "0.1.2.3:80": false, "[::]:80": false, "[::ffff:0.0.0.0]:80": false,
		"10.0.0.1:2379": false, "[fd00::1]:2379": false, "[fd00::1%eth0]:2379": false, "[::ffff:10.0.0.1]:2379": false, "[64:ff9b::a00:1]:2379": false,
		"127.0.0.9:80": true, "[::ffff:127.0.0.9]:80": true, "[fe80::1%eth0]:80": true,
	} {
		if got := d.control("tcp", at, nil) == nil; got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}

// What may not be dialled is refused at the socket, whatever it was called.
func TestAddressNotAllowed(t *testing.T) {
	asked := false
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer backend.Close()
	at := backend.Listener.Addr().String()
	_, port, _ := strings.Cut(at, ":")
	named := `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ns}, spec: {ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}}, addressType: FQDN, ports: [{port: ` + port + `}], endpoints: [{addresses: [localhost]}]}
`
	none := func(c *Config) { c.AllowAddresses = nil }
	for name, h := range map[string]*harness{
		"by address": newProxy(t, serviceOf(at), none),
		"by name":    newProxy(t, named, none),
	} {
		res, body := h.get(t, "/")
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"message":"address not allowed"`) || asked {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/redirect/namespaces/ns/services/web", nil)
	h := newProxy(t, serviceOf(at), none)
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(h.URL, "http://")
	if res, _ := h.do(t, r); res.StatusCode != http.StatusBadRequest {
		t.Errorf("redirect: %s", res.Status)
	}
	h = newProxy(t, serviceOf(at), none, func(c *Config) { c.AllowAddresses = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	if res, _ := h.get(t, "/"); res.StatusCode != http.StatusOK || !asked {
		t.Errorf("allowed, but %s", res.Status)
	}
}

// Clients are sent to no address that isn't dialled, if there is another.
func TestRedirectAvoids(t *testing.T) {
	h := newProxy(t, serviceOf("127.0.0.1:80", "10.0.0.1:80", "169.254.169.254:80"), func(c *Config) { c.AllowAddresses = nil })
	for range 20 {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/api/v1/redirect/namespaces/ns/services/web", nil)
		if res, _ := h.do(t, r); res.Header.Get("Location") != "http://10.0.0.1:80" {
			t.Fatalf("%s to %q", res.Status, res.Header.Get("Location"))
		}
	}
}

// An endpoint given by its name is asked as that name.
func TestNamedHost(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
	_, port, _ := strings.Cut(h.backend.Listener.Addr().String(), ":")
	named := newProxy(t, `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ns}, spec: {ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}}, addressType: FQDN, ports: [{port: `+port+`}], endpoints: [{addresses: [localhost]}]}
`)
	if _, body := named.get(t, "/"); body != "localhost:"+port {
		t.Errorf("asked as %s", body)
	}
}

func TestHTTPS(t *testing.T) {
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.ServerName)
	}))
	backend.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail here on purpose
	backend.EnableHTTP2 = true
	backend.StartTLS()
	defer backend.Close()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: backend.Certificate().Raw}))
	at := netip.MustParseAddrPort(backend.Listener.Addr().String())
	manifests := serviceOf(at.String()) + `---
{apiVersion: v1, kind: Node, metadata: {name: node}, status: {addresses: [{type: InternalIP, address: 127.0.0.1}]}}
`
	const service, node = "/api/v1/namespaces/ns/services/https:web:/proxy/", "/api/v1/nodes/https:node:"
	nodePath := node + at.String()[strings.LastIndex(at.String(), ":")+1:] + "/proxy/"
	for _, tc := range []struct {
		name, path string
		tls        *tls.Config
		code       int
		want       string
	}{
		{"not verified", service, &tls.Config{InsecureSkipVerify: true}, 200, "web.ns.svc"},
		{"HTTP/2 is of no use", service, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}, 200, "web.ns.svc"},
		{"nobody's authority", nodePath, nil, 503, "certificate signed by unknown authority"},
		{"another's certificate", service, &tls.Config{RootCAs: trusted}, 503, "not web.ns.svc"},
		{"the node's address", nodePath, &tls.Config{RootCAs: trusted}, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newProxy(t, manifests, func(c *Config) { c.BackendTLS = tc.tls })
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+tc.path, nil)
			if res, body := h.do(t, r); res.StatusCode != tc.code || !strings.Contains(body, tc.want) {
				t.Errorf("%s %s", res.Status, body)
			}
		})
	}
}

// An endpoint that never shakes hands is one that can't be reached.
func TestHandshakeTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newProxy(t, serviceOf(l.Addr().String()), func(c *Config) { c.DialTimeout = time.Second }) // of which the dial itself takes little
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/api/v1/namespaces/ns/services/https:web:/proxy/", nil)
	if res, body := h.do(t, r); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "TLS with "+l.Addr().String()+": context deadline exceeded") {
		t.Errorf("%s %s", res.Status, body)
	}
}

// TestHTTPSOverIPv6 holds that an IPv6 address and the certificate's name find
// their way through the transport.
func TestHTTPSOverIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName) }))
	backend.Listener.Close()
	backend.Listener = l
	backend.StartTLS()
	defer backend.Close()
	h := newProxy(t, serviceOf(l.Addr().String()), func(c *Config) {
		c.AllowAddresses = []netip.Prefix{netip.MustParsePrefix("::1/128")}
		c.BackendTLS = &tls.Config{InsecureSkipVerify: true}
	})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/api/v1/namespaces/ns/services/https:web:/proxy/", nil)
	if res, body := h.do(t, r); res.StatusCode != http.StatusOK || body != "web.ns.svc" {
		t.Errorf("%s %s", res.Status, body)
	}
}
