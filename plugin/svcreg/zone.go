package svcreg

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// zone is one that a stanza answers for.
type zone struct {
	name string // in lower case and fully qualified
	sort zoneSort
	// number is the zone's place in zones.longest.
	number int
}

// zoneSort is what the names in a zone stand for.
type zoneSort uint8

const (
	forwardZone zoneSort = iota // services at their portal IPs, and endpoints
	reverseZone                 // addresses
	publicZone                  // services at their public addresses
)

// zones are all of a stanza's.
type zones struct {
	// longest has them all, the longest name first.
	longest []zone
	// primary is the name of the zone that PTR records lead to, and public
	// that of the one to which those of public addresses do.
	primary, public string
}

// newZones orders zones by their names, which are normalised.
func newZones(names, public []string) zones {
	var z zones
	for i, name := range public {
		if z.public == "" || z.public == "." {
			z.public = name
		}
		if !slices.Contains(public[:i], name) {
			z.longest = append(z.longest, zone{name: name, sort: publicZone})
		}
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		this := zone{name: name}
		if reverseName(name) {
			this.sort = reverseZone
		} else if z.primary == "" || z.primary == "." {
			z.primary = name // "." says least about where a name came from
		}
		z.longest = append(z.longest, this)
	}
	slices.SortStableFunc(z.longest, func(a, b zone) int { return len(b.name) - len(a.name) })
	for i := range z.longest {
		z.longest[i].number = i
	}
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

// origin is what every zone has, whatever the registry holds.
type origin struct {
	apex, version fixed
	server        host // of the NS record
	// soa is the authority section of answers that say "no such thing".
	soa []dns.RR
}

// newOrigin returns that of a zone whose servers have those addresses.
func newOrigin(zone string, ttl uint32, servers []netip.Addr) origin {
	var (
		name = join("ns.dns", zone)
		ns   = &dns.NS{Hdr: header(zone, dns.TypeNS, ttl), Ns: name}
		soa  = &dns.SOA{
			Hdr: header(zone, dns.TypeSOA, min(ttl, maxSOATTL)),
			Ns:  name, Mbox: join("hostmaster", zone),
			Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
		}
		txt = &dns.TXT{Hdr: header(join("dns-version", zone), dns.TypeTXT, schemaTTL), Txt: []string{schemaVersion}}
		o   = origin{server: host{addrs: byFamily(servers)}}
	)
	room := newRoom(o.server.families())
	o.apex = fixed{all: []dns.RR{ns, soa}, extra: room.append(nil, name, ttl, o.server.addrs)}
	o.version = fixed{all: []dns.RR{txt}}
	o.soa = o.apex.all[1:]
	return o
}

// at returns the names with a serial. It is the registry's revision: all
// servers of one registry agree on it.
func (o origin) at(serial uint32) origin {
	soa := *o.soa[0].(*dns.SOA)
	soa.Serial = serial
	o.apex.all = []dns.RR{o.apex.all[0], &soa}
	o.soa = o.apex.all[1:]
	return o
}

// find returns what stands at the labels below the zone, or nil.
func (o *origin) find(below string) subject {
	switch below {
	case "":
		return &o.apex
	case "dns":
		return hollow
	case "ns.dns":
		return &o.server
	case "dns-version":
		return &o.version
	}
	return nil
}
