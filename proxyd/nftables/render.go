package nftables

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// Render writes all that a Proxier would put into the kernel, as a file that
// nft(8) takes: it replaces what is there in one transaction.
func Render(w io.Writer, r *rules.Ruleset, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	for _, f := range []rules.Family{rules.IPv4, rules.IPv6} {
		var t table
		all := t.feasible(f, r)
		for _, k := range t.rejected.Keys() {
			if _, err := fmt.Fprintf(w, "# refused: service %v: %v\n", k, t.rejected.Services[k]); err != nil {
				return err
			}
		}
		lack := classesOf(all)
		for _, c := range built() {
			delete(lack, c)
		}
		text := removal(f) + skeleton(f, cfg)
		if len(lack) > 0 {
			text += classText(f, cfg, slices.Sorted(maps.Keys(lack)))
		}
		if _, err := io.WriteString(w, text+elementsText(f, all)); err != nil {
			return err
		}
	}
	return nil
}

// elementsText returns the elements of rules as nft takes them, sorted.
func elementsText(f rules.Family, all []rules.Rule) string {
	var sets [numSets][]element
	for i := range all {
		add := func(e element) { sets[e.set] = append(sets[e.set], e) }
		elements(&all[i], add)
		hairpins(&all[i], add)
	}
	var b strings.Builder
	for id, elements := range sets {
		if len(elements) == 0 {
			continue
		}
		slices.SortFunc(elements, element.compare)
		fmt.Fprintf(&b, "add element %s %s %s {\n", words(f, false).Replace("IP"), tableName, setNames[id])
		for _, e := range slices.Compact(elements) {
			b.WriteString("\t" + e.text(f) + ",\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// text returns an element as nft takes it.
func (e element) text(f rules.Family) string {
	key := e.key
	size := keyLen(f) - 8
	var words []string
	addr := func(b string) string {
		a, _ := netip.AddrFromSlice([]byte(b)) // of the right length
		return a.String()
	}
	port := func(b string) string { return strconv.Itoa(int(binary.BigEndian.Uint16([]byte(b)))) }
	if e.set == hairpin {
		return addr(key[:size]) + " . " + addr(key[size:])
	}
	words = append(words, addr(key[:size]), protocolName(key[size]), port(key[size+4:]))
	switch e.set {
	case endpoints, picks, sticky:
		words = append(words, class(toNumber(key[size+8:])).String())
	case sources:
		words = append(words, addr(key[size+8:])+"-"+addr(e.end[size+8:]))
	default:
	}
	text := strings.Join(words, " . ")
	switch e.set {
	case endpoints, sticky:
		text += " : " + addr(e.value[:size]) + " . " + port(e.value[size:])
	case sources:
	default:
		text += " : " + class(toNumber(e.value)).String()
	}
	return text
}

func protocolName(number byte) string {
	for name, n := range protocols {
		if n == number {
			return strings.ToLower(string(name))
		}
	}
	return strconv.Itoa(int(number))
}
