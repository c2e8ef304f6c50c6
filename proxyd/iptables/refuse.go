package iptables

import (
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// refusing is the job of table filter: what table nat left as it was is refused
// or dropped. It never sees what was translated.
type refusing struct{ family rules.Family }

var _ job = refusing{}

const drop = "-j DROP"

func (refusing) shut() string { return drop }

func (j refusing) wants(r *rules.Rule) bool { return len(j.fates(r)) > 0 }
func (j refusing) alike(r *rules.Rule) bool { return len(j.fates(r)) <= 1 }
func (refusing) weight(*rules.Rule) int     { return 1 }

func (j refusing) flat(r *rules.Rule, match string) []string {
	return []string{match + j.fates(r)[0]}
}

func (j refusing) fill(c *chain, r *rules.Rule, t *rules.Target, _ func(*chain)) {
	if len(t.Backends) == 0 {
		c.extend(proto(r.Protocol) + j.fate(r, t))
	}
}

// fates returns what may become of the packets to a frontend that are not
// translated, each once.
func (j refusing) fates(r *rules.Rule) []string {
	var all []string
	add := func(fate string) {
		if len(all) == 0 || all[0] != fate {
			all = append(all, fate)
		}
	}
	if r.Sources != nil {
		add(j.shut())
	}
	for _, t := range []*rules.Target{&r.Target, r.Outside} {
		if t != nil && len(t.Backends) == 0 {
			add(j.fate(r, t))
		}
	}
	return all
}

// fate returns what becomes of packets to a target that has no backends.
func (j refusing) fate(r *rules.Rule, t *rules.Target) string {
	switch {
	case t.Drop:
		return drop
	case r.Protocol == registry.TCP:
		return "-j REJECT --reject-with tcp-reset"
	case j.family == rules.IPv6:
		return "-j REJECT --reject-with icmp6-port-unreachable"
	}
	return "-j REJECT --reject-with icmp-port-unreachable"
}
