package iptables

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// The tables that hold our chains.
const (
	tableNAT    = "nat"
	tableFilter = "filter"
)

// ownPrefix begins the name of every chain of ours, and of no other.
const ownPrefix = "SVCREG-"

// chain is a chain as it should be.
type chain struct {
	table, name string
	// depth orders chains: one leads to chains of greater depth only, so
	// those are written first.
	depth  int
	blocks []block
}

// block is the part of a chain that stands or falls together: the rules of
// one frontend, or one rule that belongs to no service. Rules are in the form
// that iptables-save has, without "-A CHAIN".
type block struct {
	service registry.Key
	rules   []string
}

// ref names a chain.
type ref struct{ table, name string }

func (r ref) compare(other ref) int {
	return cmp.Or(cmp.Compare(r.table, other.table), cmp.Compare(r.name, other.name))
}

func (c *chain) ref() ref { return ref{c.table, c.name} }

// add appends a rule that belongs to no service.
func (c *chain) add(format string, args ...any) {
	c.blocks = append(c.blocks, block{rules: []string{fmt.Sprintf(format, args...)}})
}

// equal reports whether two chains have the same rules.
func (c *chain) equal(other *chain) bool { return slices.Equal(c.lines(), other.lines()) }

// lines returns the chain's rules in order.
func (c *chain) lines() []string {
	var lines []string
	for _, b := range c.blocks {
		lines = append(lines, b.rules...)
	}
	return lines
}

// writeRules writes the rules as iptables-restore takes them.
func (c *chain) writeRules(b *bytes.Buffer) {
	for _, block := range c.blocks {
		for _, rule := range block.rules {
			b.WriteString("-A ")
			b.WriteString(c.name)
			b.WriteByte(' ')
			b.WriteString(rule)
			b.WriteByte('\n')
		}
	}
}

// ownChain returns an empty chain that a frontend has to itself, or a part of
// one.
func ownChain(table, letter, part string, r *rules.Rule) *chain {
	return &chain{
		table: table, name: frontendChain(letter, part, r.Frontend), depth: stageDepths[letter] + len(part),
		blocks: []block{{service: r.Service}},
	}
}

// extend appends rules to the chain's only block.
func (c *chain) extend(rules ...string) { c.blocks[0].rules = append(c.blocks[0].rules, rules...) }

// frontendChain returns the name of a chain that one frontend has to itself.
func frontendChain(letter, part string, f rules.Frontend) string {
	return ownPrefix + letter + "-" + digest(f.String()+part)
}

// recentList returns the name of the list of clients that stay with one
// backend of a service's port. The frontends of the port share it.
func recentList(r *rules.Rule, backend netip.AddrPort) string {
	return ownPrefix + digest(fmt.Sprintf("%v/%s/%s/%v", r.Service, r.Protocol, r.PortName, backend))
}

// digest returns 80 bits of a hash in 16 characters; users choose what goes
// in, so it has to stand up to looking for collisions.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base32.StdEncoding.EncodeToString(sum[:10])
}
