package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// Fake is a Kernel in memory. It carries out the iptables-restore input that
// this package writes, or that iptables-save printed, as the kernel would:
// transactions of whole tables, with chains that have to exist. Packets can
// then be traced over the rules.
type Fake struct {
	// Refuse, if set, says which rules the kernel turns down.
	Refuse func(rule string) bool
	// Addrs are the node's own addresses, besides loopback.
	Addrs []netip.Addr

	mu       sync.Mutex
	families map[rules.Family]map[string]fakeTable
	inputs   []string
	saves    int
	made     uint32 // transactions
	met      int    // how many rules packets have met
	// seen are the clients on each list of xt_recent.
	seen map[string]map[string]bool
}

var _ Kernel = (*Fake)(nil)

// fakeTable is a table's chains with their rules.
type fakeTable map[string][]string

// refusedError is what the Fake says to input that it turns down.
type refusedError struct{ text string }

func (e refusedError) Error() string { return e.text }
func (e refusedError) refused() bool { return true }

// NewFake returns a kernel that has the usual empty chains only.
func NewFake() *Fake {
	f := &Fake{families: map[rules.Family]map[string]fakeTable{}, seen: map[string]map[string]bool{}}
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		f.families[family] = map[string]fakeTable{
			tableNAT:    {"PREROUTING": nil, "INPUT": nil, "OUTPUT": nil, "POSTROUTING": nil},
			tableFilter: {"INPUT": nil, "FORWARD": nil, "OUTPUT": nil},
		}
	}
	return f
}

// Restore carries out input, each table's part of it as one transaction.
func (f *Fake) Restore(ctx context.Context, family rules.Family, input []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inputs = append(f.inputs, string(input))
	tx := fakeTransaction{fake: f, tables: f.families[family]}
	number := 0
	for line := range strings.Lines(string(input)) {
		number++
		if err := tx.do(strings.TrimSpace(line)); err != nil {
			return refusedError{fmt.Sprintf("line %d failed: %v: %s", number, err, strings.TrimSpace(line))}
		}
	}
	f.made += uint32(bytes.Count(input, []byte("\nCOMMIT\n")))
	return nil
}

// Generation counts what went in by Restore.
func (f *Fake) Generation() (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made, nil
}

// Changes fails: nobody but Restore changes anything.
func (f *Fake) Changes() (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

// Save prints what stands, in the form of iptables-save.
func (f *Fake) Save(ctx context.Context, family rules.Family) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saves++
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(f.families[family])) {
		fmt.Fprintf(&b, "*%s\n", name)
		table := f.families[family][name]
		chains := slices.Sorted(maps.Keys(table))
		for _, chain := range chains {
			fmt.Fprintf(&b, ":%s - [0:0]\n", chain)
		}
		for _, chain := range chains {
			for _, rule := range table[chain] {
				fmt.Fprintf(&b, "-A %s %s\n", chain, rule)
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.Bytes(), nil
}

// Inputs returns what was given to Restore since the last call.
func (f *Fake) Inputs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	inputs := f.inputs
	f.inputs = nil
	return inputs
}

// Saves returns how often Save was called.
func (f *Fake) Saves() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saves
}

// fakeTransaction is a Restore under way.
type fakeTransaction struct {
	fake   *Fake
	tables map[string]fakeTable
	name   string
	table  fakeTable // the copy that is worked on
}

func (tx *fakeTransaction) do(line string) error {
	switch {
	case line == "" || line[0] == '#':
		return nil
	case line[0] == '*':
		tx.name, tx.table = line[1:], maps.Clone(tx.tables[line[1:]])
		if tx.table == nil {
			return fmt.Errorf("no such table")
		}
		return nil
	case line == "COMMIT":
		tx.tables[tx.name] = tx.table
		return nil
	case line[0] == ':':
		name, _, _ := strings.Cut(line[1:], " ")
		if _, stands := tx.table[name]; !stands || strings.HasPrefix(name, ownPrefix) {
			tx.table[name] = nil
		}
		return nil
	}
	command, rest, _ := strings.Cut(line, " ")
	chain, rule, _ := strings.Cut(rest, " ")
	if _, stands := tx.table[chain]; !stands {
		return fmt.Errorf("no chain %s", chain)
	}
	return tx.command(command, chain, rule)
}

func (tx *fakeTransaction) command(command, chain, rule string) error {
	have := tx.table[chain]
	switch command {
	case "-A":
		tx.table[chain] = append(slices.Clone(have), rule)
		return tx.check(rule)
	case "-I":
		rule = strings.TrimPrefix(rule, "1 ")
		tx.table[chain] = append([]string{rule}, have...)
		return tx.check(rule)
	case "-D":
		i := slices.Index(have, rule)
		if i < 0 {
			return fmt.Errorf("no such rule")
		}
		tx.table[chain] = slices.Delete(slices.Clone(have), i, i+1)
	case "-C":
		if !slices.Contains(have, rule) {
			return fmt.Errorf("no such rule")
		}
	case "-F":
		tx.table[chain] = nil
	case "-X":
		return tx.deleteChain(chain)
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

// check returns why a rule can't be: its target is missing, or it was said to
// be refused.
func (tx *fakeTransaction) check(rule string) error {
	if target := target(rule); strings.HasPrefix(target, ownPrefix) {
		if _, stands := tx.table[target]; !stands {
			return fmt.Errorf("no chain %s", target)
		}
	}
	if tx.fake.Refuse != nil && tx.fake.Refuse(rule) {
		return fmt.Errorf("refused")
	}
	return nil
}

func (tx *fakeTransaction) deleteChain(chain string) error {
	if len(tx.table[chain]) > 0 {
		return fmt.Errorf("chain not empty")
	}
	for _, rules := range tx.table {
		if slices.ContainsFunc(rules, func(rule string) bool { return target(rule) == chain }) {
			return fmt.Errorf("chain in use")
		}
	}
	delete(tx.table, chain)
	return nil
}

// target returns where a rule jumps or goes to.
func target(rule string) string {
	words := strings.Fields(rule)
	for i, word := range words[:max(0, len(words)-1)] {
		if word == "-j" || word == "-g" {
			return words[i+1]
		}
	}
	return ""
}
