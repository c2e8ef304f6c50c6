package write_test

import (
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/registry/write"
)

func TestInit(t *testing.T) {
	s := newStore(t, "10.0.0.0/24", "fd00::/112")
	value := s.get("/registry/servicecidrs/kubernetes")
	for _, want := range []string{`"kind":"ServiceCIDR"`, `"apiVersion":"networking.k8s.io/v1"`, `"cidrs":["10.0.0.0/24","fd00::/112"]`} {
		if !strings.Contains(value, want) {
			t.Errorf("%s is not in %s", want, value)
		}
	}
	if s.get("/registry/svcreg/owner") == "" {
		t.Error("the registry is not marked as svcreg's own")
	}
	revision := s.revision()
	s.must(s.Init(t.Context(), prefixes("10.0.0.0/24", "fd00::/112")...))
	if s.revision() != revision {
		t.Error("to do it again changed something")
	}
	err := s.Init(t.Context(), prefixes("10.1.0.0/24")...)
	s.failed(err, "init /registry: portal network 10.1.0.0/24: want 10.0.0.0/24 or fd00::/112, which the registry has: it can't be changed")
}

// TestInitMarksWhatSomebodyPrepared is about a ServiceCIDR that was written by
// hand.
func TestInitMarksWhatSomebodyPrepared(t *testing.T) {
	s := newStore(t)
	s.put("/registry/servicecidrs/kubernetes", `{"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "spec": {"cidrs": ["10.0.0.0/24"]}}`)
	s.must(s.Init(t.Context(), prefixes("10.0.0.0/24")...))
	if s.get("/registry/svcreg/owner") == "" {
		t.Error("the registry is not marked as svcreg's own")
	}
	s.put("/registry/servicecidrs/kubernetes", `{"kind": "Serv`)
	s.failed(s.Init(t.Context(), prefixes("10.0.0.0/24")...), "portal networks at /registry/servicecidrs/kubernetes")
	s.refused(v1beta1("web", ""), "portal networks at /registry/servicecidrs/kubernetes")
}

func TestInitAtOnce(t *testing.T) {
	s := newStore(t)
	var group errgroup.Group
	for range 20 {
		w := s.another(write.Options{})
		group.Go(func() error { return w.Init(t.Context(), prefixes("10.0.0.0/24")...) })
	}
	s.must(group.Wait())
	if revision := s.revision(); revision != 2 {
		t.Errorf("revision %d, want 2: one write", revision)
	}
}

func TestCheckNetworks(t *testing.T) {
	tests := []struct {
		networks string
		want     string // "" if they are fine
	}{
		{"10.0.0.0/8", ""},
		{"10.0.0.0/30", ""},
		{"fd00::/64", ""},
		{"fd00::/126 192.168.0.0/16", ""},
		{"", "portal network: missing: want one such as 10.0.0.0/24"},
		{"10.0.0.1/24", "portal network 10.0.0.1/24: want 10.0.0.0/24: bits of the host are set"},
		{"16.0.0.0/7", "portal network 16.0.0.0/7: want a size of /8 to /30"},
		{"10.0.0.0/31", "portal network 10.0.0.0/31: want a size of /8 to /30"},
		{"fd00::/63", "portal network fd00::/63: want a size of /64 to /126"},
		{"fd00::/127", "portal network fd00::/127: want a size of /64 to /126"},
		{"10.0.0.0/24 10.1.0.0/24", "portal network 10.1.0.0/24: want at most one of IPv4, beside 10.0.0.0/24"},
		{"127.0.0.0/24", "portal network 127.0.0.0/24: want addresses outside 127.0.0.0/8, which are loopback"},
		{"0.0.0.0/8", "portal network 0.0.0.0/8: want addresses outside 0.0.0.0/8, which are of this network"},
		{"169.254.7.0/24", "portal network 169.254.7.0/24: want addresses outside 169.254.0.0/16, which are link-local"},
		{"239.0.0.0/24", "portal network 239.0.0.0/24: want addresses outside 224.0.0.0/4, which are multicast"},
		{"255.255.255.0/24", "portal network 255.255.255.0/24: want addresses outside 240.0.0.0/4, which are reserved"},
		{"::ffff:10.0.0.0/120", "want addresses outside ::/8, which are loopback and IPv4-mapped"},
		{"fe80::/64", "portal network fe80::/64: want addresses outside fe80::/10, which are link-local"},
		{"ff02::/64", "portal network ff02::/64: want addresses outside ff00::/8, which are multicast"},
	}
	for _, tt := range tests {
		t.Run(tt.networks, func(t *testing.T) {
			err := write.CheckNetworks(prefixes(strings.Fields(tt.networks)...)...)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
