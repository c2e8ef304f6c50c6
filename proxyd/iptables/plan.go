package iptables

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// plan is what has to be done to one family's tables.
type plan struct {
	// writes are the chains to write, those first that others lead to.
	writes []*chain
	// jumps are those that are missing.
	jumps []jump
	// deletes are the chains to delete. Nothing leads to them any more once
	// the writes are done, but for each other.
	deletes []ref
	// size is by how much what stands grows; after a repair, all that stands.
	size size
}

// step is one entry of a plan: one of its fields is set.
type step struct {
	write  *chain
	jump   *jump
	empty  *ref
	delete *ref
}

// table returns the table that a step belongs to.
func (s step) table() string {
	switch {
	case s.write != nil:
		return s.write.table
	case s.jump != nil:
		return s.jump.table
	case s.empty != nil:
		return s.empty.table
	}
	return s.delete.table
}

// change returns the plan that leads from one state to the next.
func change(old, new state) plan {
	gone, came := map[ref]*chain{}, map[ref]*chain{}
	new.diff(old, collect(gone), collect(came))
	var p plan
	for r, c := range came {
		p.size.add(c, 1)
		if was := gone[r]; was == nil || !was.equal(c) {
			p.writes = append(p.writes, c)
		}
	}
	for r, c := range gone {
		p.size.add(c, -1)
		if came[r] == nil {
			p.deletes = append(p.deletes, r)
		}
	}
	p.sort()
	return p
}

// repair returns the plan that leads from what stands in the kernel to a
// state.
func repair(st standing, s state) plan {
	want := map[ref]*chain{}
	s.all(collect(want))
	var p plan
	for r, c := range want {
		p.size.add(c, 1)
		if lines, stands := st.own[r]; !stands || !slices.Equal(lines, c.lines()) {
			p.writes = append(p.writes, c)
		}
	}
	for r := range st.own {
		if want[r] == nil {
			p.deletes = append(p.deletes, r)
		}
	}
	for _, j := range jumps {
		if !st.jumps[j] {
			p.jumps = append(p.jumps, j)
		}
	}
	p.sort()
	return p
}

func (p *plan) sort() {
	slices.SortFunc(p.writes, byDepth)
	slices.SortFunc(p.deletes, ref.compare)
}

func collect(into map[ref]*chain) func(*chain) {
	return func(c *chain) { into[c.ref()] = c }
}

// byDepth orders chains such that those that others lead to come first. Table
// nat comes before filter: a frontend that gets backends is translated before
// it stops being refused.
func byDepth(a, b *chain) int {
	return cmp.Or(-cmp.Compare(a.table, b.table), -cmp.Compare(a.depth, b.depth), cmp.Compare(a.name, b.name))
}

// steps returns all of a plan in the order in which it is carried out. Any
// part of it leaves each chain right, as of before or after.
func (p plan) steps() []step {
	steps := make([]step, 0, len(p.writes)+len(p.jumps)+2*len(p.deletes))
	for _, c := range p.writes {
		steps = append(steps, step{write: c})
	}
	for i := range p.jumps {
		steps = append(steps, step{jump: &p.jumps[i]})
	}
	for i := range p.deletes {
		steps = append(steps, step{empty: &p.deletes[i]})
	}
	for i := range p.deletes {
		steps = append(steps, step{delete: &p.deletes[i]})
	}
	return steps
}

// script returns the iptables-restore input that carries out some steps.
func script(steps []step) []byte {
	var b bytes.Buffer
	for _, table := range []string{tableNAT, tableFilter} {
		mine := slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.table() != table })
		if len(mine) > 0 {
			writeTable(&b, table, mine)
		}
	}
	return b.Bytes()
}

// writeTable writes the steps for one table: first all chains are made or
// emptied, so that rules can lead to any of them.
func writeTable(b *bytes.Buffer, table string, steps []step) {
	fmt.Fprintf(b, "*%s\n", table)
	for _, s := range steps {
		if s.write != nil {
			fmt.Fprintf(b, ":%s - [0:0]\n", s.write.name)
		}
	}
	for _, s := range steps {
		switch {
		case s.write != nil:
			s.write.writeRules(b)
		case s.jump != nil:
			fmt.Fprintf(b, "-I %s 1 %s\n", s.jump.chain, s.jump.rule)
		case s.empty != nil:
			fmt.Fprintf(b, "-F %s\n", s.empty.name)
		case s.delete != nil:
			fmt.Fprintf(b, "-X %s\n", s.delete.name)
		}
	}
	b.WriteString("COMMIT\n")
}
