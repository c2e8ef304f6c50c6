package peers

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/fleet"
)

// ttl is the TTL of the records that servers are given, the kubernetes
// plugin's and svcreg's default.
const ttl = 5

// skydns is where the etcd plugin's records stand.
const skydns = "/skydns"

// HostsLines returns the fleet's portal IPs as a hosts file has them.
func HostsLines(f fleet.Fleet) string {
	var b strings.Builder
	for s := range f.All() {
		for _, a := range s.Portals {
			fmt.Fprintln(&b, a, s.DNSName())
		}
	}
	return b.String()
}

// ZoneLines returns the fleet's portal IPs as a zone file has them.
func ZoneLines(f fleet.Fleet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n@ SOA ns.dns hostmaster 1 7200 1800 86400 %[2]d\n@ NS ns.dns\nns.dns A 127.0.0.1\n", fleet.Zone, ttl)
	for s := range f.All() {
		for _, a := range s.Portals {
			family := "A"
			if a.Is6() {
				family = "AAAA"
			}
			fmt.Fprintln(&b, s.DNSName(), family, a)
		}
	}
	return b.String()
}

// SkyDNS returns the fleet's portal IPs as keys and values of the etcd plugin:
// a name's labels from the right, and a host. A name can have one address.
func SkyDNS(f fleet.Fleet) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for s := range f.All() {
			if !s.Headless && !yield(skyDNSKey(s), skyDNSValue(s)) {
				return
			}
		}
	}
}

// skyDNSKey returns the key of a service's record.
func skyDNSKey(s fleet.Service) string {
	labels := dns.SplitDomainName(s.DNSName())
	slices.Reverse(labels)
	return skydns + "/" + strings.Join(labels, "/")
}

// skyDNSValue returns the record of a service that isn't headless.
func skyDNSValue(s fleet.Service) string {
	return fmt.Sprintf(`{"host":%q,"ttl":%d}`, s.Portals[0], ttl)
}
