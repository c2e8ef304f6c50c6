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
		names  = p.names(service)
		values = make([]dns.SRV, len(p.targets))
		weight = uint16(max(1, srvWeight/len(p.targets)))
		before *host
	)
	answer = make([]dns.RR, 0, len(values))
	extra = make([]dns.RR, 0, len(values))
	for i, t := range p.targets {
		name := service
		if alias := t.host.alias(); alias != "" {
			name = alias
		} else if t.host.label != "" {
			n := len(t.host.label) + 1 + len(service)
			name, names = names[:n], names[n:]
		}
		if len(name) > maxName {
			continue
		}
		values[i] = dns.SRV{Hdr: header(owner, dns.TypeSRV, ttl), Weight: weight, Port: t.number, Target: name}
		answer = append(answer, &values[i])
		if t.host != before {
			extra = t.host.glue(extra, name, ttl)
			before = t.host
		}
	}
	return answer, extra
}

// names returns the names of all targets that have one below that of the
// service, in one piece of memory.
func (p *port) names(service string) string {
	n := 0
	for _, t := range p.targets {
		if t.host.below() {
			n += len(t.host.label) + 1 + len(service)
		}
	}
	if n == 0 {
		return ""
	}
	var b strings.Builder
	b.Grow(n)
	for _, t := range p.targets {
		if t.host.below() {
			b.WriteString(t.host.label)
			b.WriteByte('.')
			b.WriteString(service)
		}
	}
	return b.String()
}

// below reports whether SRV records name a host below its service.
func (h *host) below() bool { return h.label != "" && h.alias() == "" }

// portLabels returns the first two labels of a port's SRV name; a port without
// a name has none.
func portLabels(p registry.Port) (string, bool) {
	name := strings.ToLower(p.Name)
	return "_" + name + "._" + strings.ToLower(string(p.Protocol)), isLabel(name) && len(name) < 63
}
