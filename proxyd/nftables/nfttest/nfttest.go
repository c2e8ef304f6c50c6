// Package nfttest traces packets over rulesets of nftables, given as the text
// that nft(8) takes or prints. It knows as much of the language as package
// nftables writes, and says so where there is more.
package nfttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Ruleset is what some text says.
type Ruleset struct {
	tables map[string]*table // by family: "ip", "ip6"
}

type table struct {
	chains map[string][]rule
	sets   map[string]*set
}

// rule is a rule's words. Braces and what they hold are one word each.
type rule []string

// set is a set or a map.
type set struct {
	elements []element
}

// element is an element: the parts of its key, and of its value if it is a
// map's.
type element struct{ key, value []string }

// Parse reads text. Tables, chains and elements add up; "delete table" and
// "flush table" empty a table.
func Parse(text string) (*Ruleset, error) {
	r := &Ruleset{map[string]*table{}}
	p := parser{words: split(text)}
	for !p.end() {
		if err := r.command(&p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// split splits text into words, and leaves out comments. The end of a line is
// a semicolon.
func split(text string) []string {
	var words []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, mark := range []string{"{", "}", ";", ","} {
			line = strings.ReplaceAll(line, mark, " "+mark+" ")
		}
		words = append(append(words, strings.Fields(line)...), ";")
	}
	return words
}

// parser has the words that are still to be read.
type parser struct{ words []string }

func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// end skips the ends of lines, and reports whether nothing else is left.
func (p *parser) end() bool {
	for len(p.words) > 0 && p.words[0] == ";" {
		p.words = p.words[1:]
	}
	return len(p.words) == 0
}

// block returns the words up to the brace that closes the one just read.
func (p *parser) block() []string {
	for i, depth := 0, 1; i < len(p.words); i++ {
		switch p.words[i] {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				inner := p.words[:i]
				p.words = p.words[i+1:]
				return inner
			}
		}
	}
	inner := p.words
	p.words = nil
	return inner
}

// want reads words that have to be there.
func (p *parser) want(words ...string) error {
	for _, word := range words {
		if got := p.next(); got != word {
			return fmt.Errorf("nftables: %q: want %q", got, word)
		}
	}
	return nil
}

// command reads one command.
func (r *Ruleset) command(p *parser) error {
	word := p.next()
	switch word {
	case "table":
		family, _ := p.next(), p.next()
		if err := p.want("{"); err != nil {
			return err
		}
		return r.table(family).parse(&parser{p.block()})
	case "delete", "flush":
		if err := p.want("table"); err != nil {
			return err
		}
		delete(r.tables, p.next())
		p.next() // its name
		return nil
	case "add":
		if err := p.want("element"); err != nil {
			return err
		}
		t := r.table(p.next())
		p.next() // the table's name
		s := t.set(p.next())
		if err := p.want("{"); err != nil {
			return err
		}
		s.add(p.block())
		return nil
	}
	return fmt.Errorf("nftables: unknown command %q", word)
}

func (r *Ruleset) table(family string) *table {
	if r.tables[family] == nil {
		r.tables[family] = &table{map[string][]rule{}, map[string]*set{}}
	}
	return r.tables[family]
}

func (t *table) set(name string) *set {
	if t.sets[name] == nil {
		t.sets[name] = &set{}
	}
	return t.sets[name]
}

// parse reads what stands between a table's braces.
func (t *table) parse(p *parser) error {
	for !p.end() {
		sort, name := p.next(), p.next()
		if err := p.want("{"); err != nil {
			return err
		}
		inner := p.block()
		switch sort {
		case "chain":
			t.chains[name] = append(t.chains[name], rulesOf(inner)...)
		case "set", "map":
			t.set(name)
			if i := slices.Index(inner, "elements"); i >= 0 && i+3 < len(inner) {
				t.set(name).add((&parser{inner[i+3:]}).block())
			}
		default:
			return fmt.Errorf("nftables: unknown %q in a table", sort)
		}
	}
	return nil
}

// rulesOf returns the rules of a chain, the line of a base chain among them.
func rulesOf(words []string) []rule {
	var all []rule
	var one rule
	p := parser{words}
	for len(p.words) > 0 {
		switch word := p.next(); word {
		case ";":
			if len(one) > 0 && one[0] != "policy" {
				all = append(all, one)
			}
			one = nil
		case "{":
			one = append(one, "{"+strings.Join(p.block(), " ")+"}")
		default:
			one = append(one, word)
		}
	}
	if len(one) > 0 {
		all = append(all, one)
	}
	return all
}

// add adds elements, which have commas between them.
func (s *set) add(words []string) {
	var one []string
	for _, word := range append(slices.Clone(words), ",") {
		if word != "," {
			if word != ";" {
				one = append(one, word)
			}
			continue
		}
		if len(one) > 0 {
			key, value := one, []string(nil)
			if i := slices.Index(one, ":"); i >= 0 {
				key, value = one[:i], one[i+1:]
			}
			s.elements = append(s.elements, element{parts(key), parts(value)})
		}
		one = nil
	}
}

// parts returns the parts that points divide.
func parts(words []string) []string {
	var all []string
	for part := range strings.SplitSeq(strings.Join(words, " "), " . ") {
		if part != "" {
			all = append(all, canonical(part))
		}
	}
	return all
}

// canonical returns the one form of an address or a number of 32 bits.
func canonical(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.String()
	}
	if n, ok := number(text); ok {
		return strconv.FormatUint(uint64(n), 10)
	}
	return text
}

// get returns the value of a key, and whether it is there.
func (s *set) get(key []string) ([]string, bool) {
	for _, e := range s.elements {
		if slices.EqualFunc(e.key, key, covers) {
			return e.value, true
		}
	}
	return nil, false
}

// covers reports whether a part of an element's key has a value: it may be a
// network or an interval.
func covers(part, value string) bool {
	if part == value {
		return true
	}
	a, err := netip.ParseAddr(value)
	if err != nil {
		return false
	}
	if p, err := netip.ParsePrefix(part); err == nil {
		return p.Contains(a)
	}
	from, to, ok := strings.Cut(part, "-")
	first, err1 := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	return ok && err1 == nil && err2 == nil && first.Compare(a) <= 0 && a.Compare(last) <= 0
}
