package proxyd

import (
	"net/netip"
	"testing"

	"github.com/svcreg/svcreg/proxyd/node"
)

// The proxy path leads neither to etcd nor to proxyd itself, wherever on the
// node they listen.
func TestControls(t *testing.T) {
	c := DefaultConfig()
	c.Etcd.Endpoints = []string{"https://192.0.2.1:2379", "http://etcd.example.org:2381/", "192.0.2.2:2382", "http://[2001:db8::1]:2379"}
	c.HealthzListen, c.MetricsListen, c.API.Listen = "192.0.2.9:10256", ":10249", "0.0.0.0:8443"
	tests := map[string]bool{
		"192.0.2.1:2379": true, "192.0.2.2:2382": true, "[2001:db8::1]:2379": true,
		"192.0.2.1:2380": false, "192.0.2.3:2379": false,
		"192.0.2.9:10256": true, "192.0.2.9:10257": false, "192.0.2.8:10256": false,
		// Ports at all addresses of the node are no matter of other hosts.
		"192.0.2.77:10249": false, "192.0.2.77:8443": false, "192.0.2.77:2381": false,
	}
	own, err := node.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		for port, want := range map[uint16]bool{10249: true, 8443: true, 2381: true, 8080: false} {
			tests[netip.AddrPortFrom(a, port).String()] = want
		}
	}
	controls := c.controls()
	for at, want := range tests {
		if got := controls.has(netip.MustParseAddrPort(at)); got != want {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
	if len(own) == 0 {
		t.Log("this machine has no address but loopback")
	}
}
