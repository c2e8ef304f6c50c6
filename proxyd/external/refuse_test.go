package external

import (
	"net/netip"
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestRefusedAddresses(t *testing.T) {
	t.Parallel()
	s := registrytest.Snapshot(t, `
kind: Service
apiVersion: v1
metadata: {name: web, namespace: my-ns}
spec: {clusterIP: 203.0.113.7, ports: [{port: 80}]}
---
kind: ServiceCIDR
apiVersion: networking.k8s.io/v1
metadata: {name: kubernetes}
spec: {cidrs: [10.96.0.0/16, "fd00:96::/108"]}
`)
	for text, want := range map[string]string{
		"192.0.2.1":        "",
		"2001:db8::1":      "",
		"10.97.0.1":        "",
		"127.0.0.1":        "a loopback address",
		"127.255.0.1":      "a loopback address",
		"::1":              "a loopback address",
		"::ffff:127.0.0.1": "a loopback address",
		"0.0.0.0":          "an unspecified address",
		"0.1.2.3":          "an unspecified address",
		"::":               "an unspecified address",
		"169.254.169.254":  "a link-local address",
		"fe80::1":          "a link-local address",
		"fe80::1%eth0":     "a link-local address",
		"224.0.0.1":        "a multicast address",
		"ff02::1":          "a multicast address",
		"255.255.255.255":  "the broadcast address",
		"203.0.113.7":      "the portal IP of my-ns/web",
		"10.96.1.2":        "an address of the portal network 10.96.0.0/16",
		"fd00:96::5":       "an address of the portal network fd00:96::/108",
	} {
		if got := Refused(s, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if Refused(s, netip.Addr{}) == "" {
		t.Error("the zero address isn't refused")
	}
}

func TestLoops(t *testing.T) {
	t.Parallel()
	web := registry.Key{Namespace: "my-ns", Name: "web"}
	others := map[registry.Key][]string{
		{Namespace: "my-ns", Name: "b"}: {"c.my-ns.svc.cluster.local"},
		{Namespace: "my-ns", Name: "c"}: {"WEB.my-ns.", "b.my-ns"},
		{Namespace: "my-ns", Name: "d"}: {"d.my-ns"},
	}
	for name, want := range map[string]bool{
		"web.my-ns":                           true,
		"Web.My-NS.":                          true,
		"web.my-ns.svc.cluster.local":         true,
		"web.my-ns.svc.any.zone.example":      true,
		"_http._tcp.web.my-ns.svc.example":    true,
		"pod-1.web.my-ns.svc.example":         true,
		"web.my-ns.corp.example":              true, // a zone of ours
		"web.my-ns.example.com":               false,
		"web.my-ns.com":                       false,
		"other.my-ns":                         false,
		"web.other-ns.svc.cluster.local":      false,
		"db.example.com":                      false,
		"svc.my-ns":                           false,
		"b.my-ns":                             true, // over c
		"d.my-ns.svc.cluster.local":           false,
		"web":                                 false,
		"my-ns.svc.cluster.local.example.org": false,
	} {
		if got := loops(web, []string{"db.example.org", name}, []string{".", "corp.example."}, func(k registry.Key) []string { return others[k] }); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
