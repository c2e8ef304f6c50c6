package iptables

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

const (
	// leafWeight is how many rules a chain may have before it is split.
	leafWeight = 16
	// ownWeight is how many rules of one frontend may stand in a chain that
	// holds others; with more it has a chain to itself.
	ownWeight = 8
	// publicMark is the bit that marks connections to public frontends.
	publicMark = "0x2000/0x2000"
	// frontendDepth is deeper than any prefix.
	frontendDepth = 1000
)

// shape is what a tree's leaves are made of: translations or refusals.
type shape struct {
	table string
	// weigh returns how many rules a frontend has in a leaf.
	weigh func(*rules.Rule) int
	// leaf returns a frontend's rules in a leaf that has match as their
	// beginning. Alone says that the frontend is to have a chain of its own
	// if it has more than a rule or two.
	leaf func(r *rules.Rule, match string, alone bool) []string
	// own returns the chain that a frontend has to itself, or nil.
	own func(r *rules.Rule, alone bool) *chain
}

var (
	translating = &shape{tableNAT, translateWeight, translateLeaf, translateOwn}
	refusing    = &shape{
		tableFilter,
		func(*rules.Rule) int { return 1 },
		refuseLeaf,
		func(*rules.Rule, bool) *chain { return nil },
	}
)

// translations returns how many rules choose among a frontend's backends.
func translations(r *rules.Rule) int {
	if r.Affinity > 0 {
		return 2 * len(r.Backends)
	}
	return len(r.Backends)
}

func translateWeight(r *rules.Rule) int {
	weight := translations(r)
	if weight > ownWeight {
		weight = 1
	}
	if r.External {
		weight++
	}
	return weight
}

// apart reports whether a frontend has a chain to itself.
func apart(r *rules.Rule, alone bool) bool {
	return translations(r) > ownWeight || alone && translations(r) > 1
}

func translateLeaf(r *rules.Rule, match string, alone bool) []string {
	match = fmt.Sprintf("%s%s -m %s --dport %d ", match, proto(r), strings.ToLower(string(r.Protocol)), r.Port)
	var lines []string
	if r.External {
		lines = append(lines, match+"-j MARK --set-xmark "+publicMark)
	}
	if apart(r, alone) {
		return append(lines, match+"-g "+frontendChain(r.Frontend))
	}
	return append(lines, balance(r, match)...)
}

func translateOwn(r *rules.Rule, alone bool) *chain {
	if !apart(r, alone) {
		return nil
	}
	lines := balance(r, proto(r)+" ")
	return &chain{tableNAT, frontendChain(r.Frontend), frontendDepth, []block{{r.Service, lines}}}
}

// balance returns the rules that give a connection to one of the backends:
// first to the one that its client stays with, then to any.
func balance(r *rules.Rule, match string) []string {
	var lines []string
	for _, b := range r.Backends {
		if r.Affinity > 0 {
			seconds := max(1, int64(math.Ceil(r.Affinity.Seconds())))
			lines = append(lines, fmt.Sprintf("%s-m recent --update --seconds %d --reap --name %s --mask %s --rsource -j DNAT --to-destination %v",
				match, min(seconds, maxAffinity), recentList(r, b.AddrPort), fullMask(b.Addr()), b.AddrPort))
		}
	}
	left := r.Slots()
	for i, b := range r.Backends {
		rule := match
		if i < len(r.Backends)-1 {
			rule += "-m statistic --mode random --probability " + probability(int(b.Weight), left) + " "
		}
		left -= int(b.Weight)
		if r.Affinity > 0 {
			rule += fmt.Sprintf("-m recent --set --name %s --mask %s --rsource ", recentList(r, b.AddrPort), fullMask(b.Addr()))
		}
		lines = append(lines, rule+"-j DNAT --to-destination "+b.AddrPort.String())
	}
	return lines
}

// maxAffinity is a time in seconds that xt_recent can surely hold: a day, the
// most that a Service can ask for.
const maxAffinity = int64(24 * time.Hour / time.Second)

// probability returns some in n in the form in which the kernel keeps it: in
// units of 2^-31.
func probability(some, n int) string {
	return fmt.Sprintf("%.11f", math.Round(float64(some)/float64(n)*(1<<31))/(1<<31))
}

// fullMask returns the netmask of a single address.
func fullMask(a netip.Addr) string {
	if a.Is4() {
		return "255.255.255.255"
	}
	return "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
}

func refuseLeaf(r *rules.Rule, match string, _ bool) []string {
	match = fmt.Sprintf("%s%s -m %s --dport %d ", match, proto(r), strings.ToLower(string(r.Protocol)), r.Port)
	with := "icmp-port-unreachable"
	switch {
	case r.Drop:
		return []string{match + "-j DROP"}
	case r.Protocol == registry.TCP:
		with = "tcp-reset"
	case r.Addr.Is6():
		with = "icmp6-port-unreachable"
	}
	return []string{match + "-j REJECT --reject-with " + with}
}

// proto returns the match for a rule's protocol.
func proto(r *rules.Rule) string { return "-p " + strings.ToLower(string(r.Protocol)) }
