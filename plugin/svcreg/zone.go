package svcreg

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// zones are those the plugin answers for.
type zones struct {
	// longest has them all, the longest name first.
	longest []zone
	// forward are the names of those that aren't reverse zones, in the order
	// of the Corefile. PTR records lead to the zone at primary.
	forward []string
	primary int
}

// zone is one of them.
type zone struct {
	name string // in lower case and fully qualified
	// number is the zone's place in zones.longest, tree in zones.forward; the
	// latter is -1 for a reverse zone.
	number, tree int
}

// newZones orders zones by their names, which are normalised.
func newZones(names []string) zones {
	var z zones
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		this := zone{name: name, tree: -1}
		if !reverseName(name) {
			this.tree = len(z.forward)
			z.forward = append(z.forward, name)
		}
		z.longest = append(z.longest, this)
	}
	slices.SortStableFunc(z.longest, func(a, b zone) int { return len(b.name) - len(a.name) })
	for i := range z.longest {
		z.longest[i].number = i
	}
	// A name under "." says least about where it came from.
	z.primary = max(0, slices.IndexFunc(z.forward, func(name string) bool { return name != "." }))
	return z
}

// match returns the longest zone that a name in lower case belongs to, and the
// name's labels below it; nil if it belongs to none. It allocates nothing.
func (z *zones) match(name string) (zone *zone, below string) {
	for i := range z.longest {
		zone := &z.longest[i]
		if below, ok := zone.below(name); ok {
			return zone, below
		}
	}
	return nil, ""
}

// below returns a name's labels below the zone, without the dot at the end.
func (z *zone) below(name string) (string, bool) {
	if z.name == "." {
		return strings.TrimSuffix(name, "."), true
	}
	n := len(name) - len(z.name)
	if n < 0 || name[n:] != z.name {
		return "", false
	}
	if n == 0 {
		return "", true
	}
	return name[:n-1], name[n-1] == '.' && !escaped(name, n-1)
}

// escaped reports whether the dot at i belongs to a label: an odd number of
// backslashes stands before it.
func escaped(name string, i int) bool {
	n := 0
	for n < i && name[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// join returns the name of labels below a zone.
func join(labels, zone string) string {
	if zone == "." {
		return labels + "."
	}
	return labels + "." + zone
}

// The schema that TXT dns-version.<zone> names, and how long that lasts.
const (
	schemaVersion = "1.1.0"
	schemaTTL     = 28800
	maxSOATTL     = 300
)

// zoneNodes are the names that every zone has, whatever the registry holds.
type zoneNodes struct {
	apex, ns, version node
	// soa is the authority section of answers that say "no such thing".
	soa []dns.RR
}

// newZoneNodes returns the names of a zone whose servers have those addresses.
func newZoneNodes(zone string, ttl uint32, servers []netip.Addr) zoneNodes {
	var (
		server = join("ns.dns", zone)
		ns     = node{owner: server, records: addresses(server, ttl, servers)}
		soa    = &dns.SOA{
			Hdr: header(zone, dns.TypeSOA, min(ttl, maxSOATTL)),
			Ns:  server, Mbox: join("hostmaster", zone),
			Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
		}
		version = join("dns-version", zone)
		txt     = &dns.TXT{Hdr: header(version, dns.TypeTXT, schemaTTL), Txt: []string{schemaVersion}}
	)
	apex := []dns.RR{&dns.NS{Hdr: header(zone, dns.TypeNS, ttl), Ns: server}, soa}
	return zoneNodes{
		apex:    node{owner: zone, records: apex, extra: ns.records},
		ns:      ns,
		version: node{owner: version, records: []dns.RR{txt}},
		soa:     apex[1:],
	}
}

// at returns the names with a serial. It is the registry's revision: all
// servers of one registry agree on it.
func (z zoneNodes) at(serial uint32) zoneNodes {
	soa := *z.soa[0].(*dns.SOA)
	soa.Serial = serial
	z.apex.records = []dns.RR{z.apex.records[0], &soa}
	z.soa = z.apex.records[1:]
	return z
}

// find returns the node of the labels below the zone, or nil.
func (z *zoneNodes) find(below string) *node {
	switch below {
	case "":
		return &z.apex
	case "dns":
		return hollow
	case "ns.dns":
		return &z.ns
	case "dns-version":
		return &z.version
	}
	return nil
}
