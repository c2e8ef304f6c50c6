package svcreg

import (
	"strings"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// port is a named port of a service, and where it is served.
type port struct {
	labels  string // "_http._tcp"
	targets []target
}

// target is a port of a host. Those of the same host stand together.
type target struct {
	host   *host
	number uint16
}

// srvWeight is shared out among the SRV records of one name.
const srvWeight = 100

// maxName is the length of the longest name, with its dot at the end (RFC 1035
// section 2.3.4: 255 octets with the length of each label and the root's).
const maxName = 254

func (p *port) records(owner string, qtype uint16, ttl uint32) (answer, extra []dns.RR) {
	return p.lead(owner, owner[len(p.labels)+1:], qtype, ttl)
}

// lead is records for a service under the name that its targets are to have.
func (p *port) lead(owner, service string, qtype uint16, ttl uint32) (answer, extra []dns.RR) {
	if qtype != dns.TypeSRV && qtype != dns.TypeANY {
		return nil, nil
	}
	var (
		n      = len(p.targets)
		values = make([]dns.SRV, n)
		weight = uint16(max(1, srvWeight/n))
		size   = p.extent(service)
		all    = make([]dns.RR, n+size.v4+size.v6+1) // the server may add OPT
		room   = newRoom(size.v4, size.v6)
		names  strings.Builder
		name   string
		before *host
	)
	names.Grow(size.names)
	answer, extra = all[:0:n], all[n:n]
	for i, t := range p.targets {
		if t.host != before {
			name, before = t.host.under(service, &names), t.host
			if len(name) <= maxName {
				extra = room.append(extra, name, ttl, t.host.addrs)
			}
		}
		if len(name) <= maxName {
			values[i] = dns.SRV{Hdr: header(owner, dns.TypeSRV, ttl), Weight: weight, Port: t.number, Target: name}
			answer = append(answer, &values[i])
		}
	}
	return answer, extra
}

// extent is how much memory the records of a port take up: octets of names that
// are made for them, and records of addresses.
type extent struct{ names, v4, v6 int }

func (p *port) extent(service string) (e extent) {
	var before *host
	for _, t := range p.targets {
		if t.host == before {
			continue
		}
		before = t.host
		if before.below() {
			e.names += len(before.label) + 1 + len(service)
		}
		v4, v6 := before.families()
		e.v4, e.v6 = e.v4+v4, e.v6+v6
	}
	return e
}

// under returns the name of a host of a service. Where it must be made, it is
// in a builder that has the room: names are one piece of memory.
func (h *host) under(service string, names *strings.Builder) string {
	if alias := h.alias(); alias != "" {
		return alias
	}
	if h.label == "" {
		return service
	}
	start := names.Len()
	names.WriteString(h.label)
	names.WriteByte('.')
	names.WriteString(service)
	return names.String()[start:]
}

// below reports whether SRV records name a host below its service.
func (h *host) below() bool { return h.label != "" && h.alias() == "" }

// portLabels returns the first two labels of a port's SRV name; a port without
// a name has none.
func portLabels(p registry.Port) (string, bool) {
	name := strings.ToLower(p.Name)
	return "_" + name + "._" + strings.ToLower(string(p.Protocol)), isLabel(name) && len(name) < 63
}
