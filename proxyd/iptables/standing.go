package iptables

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
)

// standing is what the kernel has of ours.
type standing struct {
	// own has the rules of each of our chains.
	own map[ref][]string
	// jumps are those of ours that are there.
	jumps map[jump]bool
	// strays are rules in chains of others that lead to ours, ours included.
	strays []jump
}

// readStanding takes what is ours from the output of iptables-save. What it
// doesn't know it leaves aside.
func readStanding(save []byte) standing {
	st := standing{own: map[ref][]string{}, jumps: map[jump]bool{}}
	table := ""
	lines := bufio.NewScanner(bytes.NewReader(save))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"+ownPrefix):
			name, _, _ := strings.Cut(line[1:], " ")
			st.own[ref{table, name}] = nil
		case strings.HasPrefix(line, "-A "):
			chain, rule, _ := strings.Cut(line[3:], " ")
			st.rule(table, chain, rule)
		}
	}
	return st
}

func (st *standing) rule(table, chain, rule string) {
	if strings.HasPrefix(chain, ownPrefix) {
		r := ref{table, chain}
		st.own[r] = append(st.own[r], rule)
		return
	}
	j := jump{table, chain, rule}
	if slices.Contains(jumps, j) {
		st.jumps[j] = true
	}
	if leadsToUs(rule) {
		st.strays = append(st.strays, j)
	}
}

// leadsToUs reports whether a rule jumps to a chain of ours.
func leadsToUs(rule string) bool {
	for _, flag := range []string{" -j ", " -g "} {
		if _, target, ok := strings.Cut(" "+rule, flag); ok && strings.HasPrefix(target, ownPrefix) {
			return true
		}
	}
	return false
}
