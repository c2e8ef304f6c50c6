package iptables

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// translating is the job of table nat: connections get a backend. Where there
// is none, and for those who may not connect, they stay as they are, so that
// table filter knows them by their destination.
type translating struct{}

var _ job = translating{}

// asItIs leaves a packet untranslated. It ends the packet's way through our
// chains: a frontend with an address is not for the node ports to take.
const asItIs = "-j ACCEPT"

func (translating) shut() string { return asItIs }

// wants says that without backends there is nothing to translate. Public
// addresses are held all the same: that may be the node's own.
func (translating) wants(r *rules.Rule) bool {
	return hasBackends(r) || r.External && !r.IsNodePort()
}

func (translating) alike(r *rules.Rule) bool {
	return !hasBackends(r) || r.Sources == nil && r.Outside == nil
}

func hasBackends(r *rules.Rule) bool {
	return len(r.Backends) > 0 || r.Outside != nil && len(r.Outside.Backends) > 0
}

func (translating) weight(r *rules.Rule) int {
	n := len(r.Backends)
	if n == 0 {
		return 1
	}
	if r.Affinity > 0 {
		n *= 2
	}
	if r.External {
		n++
	}
	return n
}

func (translating) flat(r *rules.Rule, match string) []string {
	if len(r.Backends) == 0 {
		return []string{match + asItIs}
	}
	return balance(r, &r.Target, match)
}

func (translating) fill(c *chain, r *rules.Rule, t *rules.Target, yield func(*chain)) {
	match := proto(r.Protocol)
	switch {
	case len(t.Backends) == 0:
		c.extend(match + asItIs)
		return
	case len(t.Backends) <= longest:
		c.extend(balance(r, t, match)...)
		return
	}
	c.extend(mark(r, t, match)...)
	tell := ""
	if t == r.Outside {
		tell = "/outside"
	}
	if r.Affinity > 0 {
		spread(c, affinityChain, tell, r, t.Backends, yield)
	}
	spread(c, backendsChain, tell, r, t.Backends, yield)
}

// balance returns the rules that give a connection to one of a target's
// backends: first to the one that its client stays with, then to any.
func balance(r *rules.Rule, t *rules.Target, match string) []string {
	lines := mark(r, t, match)
	if r.Affinity > 0 {
		lines = append(lines, stay(r, t.Backends, match)...)
	}
	return append(lines, choose(r, t.Backends, match)...)
}

// mark returns the rule that says whether connections are to be masqueraded,
// where that doesn't follow from the addresses.
func mark(r *rules.Rule, t *rules.Target, match string) []string {
	switch {
	case t == r.Outside:
		return []string{match + "-j MARK --set-xmark " + outsideMark}
	case r.External:
		return []string{match + "-j MARK --set-xmark " + publicMark}
	}
	return nil
}

// stay returns the rules that give clients the backend that they have had.
func stay(r *rules.Rule, backends []rules.Backend, match string) []string {
	var lines []string
	for _, b := range backends {
		seconds := max(1, int64(math.Ceil(r.Affinity.Seconds())))
		lines = append(lines, fmt.Sprintf("%s-m recent --update --seconds %d --reap --name %s --mask %s --rsource -j DNAT --to-destination %v",
			match, min(seconds, maxAffinity), recentList(r, b.AddrPort), fullMask(b.Addr()), b.AddrPort))
	}
	return lines
}

// choose returns the rules that give a connection to any of some backends, each
// of which gets its share of what those before it left.
func choose(r *rules.Rule, backends []rules.Backend, match string) []string {
	var lines []string
	left := slots(backends)
	for _, b := range backends {
		rule := match + chance(int(b.Weight), left)
		left -= int(b.Weight)
		if r.Affinity > 0 {
			rule += fmt.Sprintf("-m recent --set --name %s --mask %s --rsource ", recentList(r, b.AddrPort), fullMask(b.Addr()))
		}
		lines = append(lines, rule+"-j DNAT --to-destination "+b.AddrPort.String())
	}
	return lines
}

// spread adds the rules of stay or choose to a chain, for more backends than
// that has room for: they are divided by a hash, so that a backend stands in
// the same part whoever the others are, and a change touches few parts.
func spread(c *chain, letter, part string, r *rules.Rule, backends []rules.Backend, yield func(*chain)) {
	match := proto(r.Protocol)
	if len(backends) <= longest {
		if letter == affinityChain {
			c.extend(stay(r, backends, match)...)
		} else {
			c.extend(choose(r, backends, match)...)
		}
		return
	}
	left := slots(backends)
	for i, some := range divide(backends, len(part)) {
		if len(some) == 0 {
			continue
		}
		sub := ownChain(tableNAT, letter, fmt.Sprintf("%s/%x", part, i), r)
		spread(sub, letter, fmt.Sprintf("%s/%x", part, i), r, some, yield)
		yield(sub)
		if letter == affinityChain {
			c.extend(match + "-j " + sub.name)
			continue
		}
		share := slots(some)
		c.extend(match + chance(share, left) + "-g " + sub.name)
		left -= share
	}
}

// divide divides backends into parts, another way for each salt. The parts are
// a power of two, so that they stay the same for long.
func divide(backends []rules.Backend, salt int) [][]rules.Backend {
	n := 2
	for n < maxParts && n*longest/2 < len(backends) {
		n *= 2
	}
	parts := make([][]rules.Backend, n)
	for _, b := range backends {
		sum := sha256.Sum256(b.AddrPort.AppendTo([]byte{byte(salt)}))
		part := int(sum[0]) % n
		parts[part] = append(parts[part], b)
	}
	return parts
}

// maxParts is how many parts a chain may have.
const maxParts = 16

func slots(backends []rules.Backend) int { return (&rules.Target{Backends: backends}).Slots() }

// chance returns the match for some in n packets, in the form in which the
// kernel keeps it: in units of 2^-31. It is "" for all of them.
func chance(some, n int) string {
	if some == n {
		return ""
	}
	return fmt.Sprintf("-m statistic --mode random --probability %.11f ", math.Round(float64(some)/float64(n)*(1<<31))/(1<<31))
}

// maxAffinity is a time in seconds that xt_recent can surely hold: a day, the
// most that a Service can ask for.
const maxAffinity = int64(24 * time.Hour / time.Second)

// fullMask returns the netmask of a single address.
func fullMask(a netip.Addr) string {
	if a.Is4() {
		return "255.255.255.255"
	}
	return "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
}
