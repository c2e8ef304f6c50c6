package registry

import (
	"net/netip"
	"testing"
)

func TestUnusable(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1":               "",
		"240.0.0.1":              "",
		"64:ff9b::a00:1":         "",
		"::ffff:10.0.0.1":        "",
		"0.1.2.3":                "an unspecified address",
		"::":                     "an unspecified address",
		"127.1.2.3":              "a loopback address",
		"::ffff:127.0.0.1":       "a loopback address",
		"::1":                    "a loopback address",
		"169.254.169.254":        "a link-local address",
		"fe80::1":                "a link-local address",
		"2001:db8::1%eth0":       "a link-local address",
		"224.0.0.1":              "a multicast address",
		"ff02::1":                "a multicast address",
		"255.255.255.255":        "the broadcast address",
		"::ffff:255.255.255.255": "the broadcast address",
	} {
		if got := Unusable(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if Unusable(netip.Addr{}) == "" {
		t.Error("no address is usable")
	}
}

func TestCheckNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8":     "",
		"2000::/3":       "",
		"239.0.0.0/24":   "want addresses outside 224.0.0.0/4, which are multicast",
		"0.0.0.0/1":      "want addresses outside 0.0.0.0/8, which are of this network",
		"126.0.0.0/7":    "want addresses outside 127.0.0.0/8, which are loopback",
		"169.254.1.0/24": "want addresses outside 169.254.0.0/16, which are link-local",
		"248.0.0.0/8":    "want addresses outside 240.0.0.0/4, which are reserved",
		"::1/128":        "want addresses outside ::/8, which are loopback and IPv4-mapped",
		"fe80::/64":      "want addresses outside fe80::/10, which are link-local",
		"ff02::1/128":    "want addresses outside ff00::/8, which are multicast",
	} {
		got := ""
		if err := CheckNetwork(netip.MustParsePrefix(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
