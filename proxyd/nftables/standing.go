package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// standing is what the kernel has of ours in one family.
type standing struct {
	// version and chains are what was signed: the version, and a number that
	// the chains came to. found is what they come to now.
	version, chains, found uint32
	// classes are those that have a chain.
	classes map[class]bool
	// elements are those of each map or set by key, or by key and end. Those
	// that packets add are not among them.
	elements [numSets]map[string]string
}

// intact reports whether the chains are those of a version, as they were made.
func (s *standing) intact(version uint32) bool {
	return s != nil && s.version == version && s.chains == s.found
}

// The keys of the map fingerprint.
const (
	versionKey uint32 = iota + 1
	chainsKey
)

// read returns what stands; nil without an error if nothing does.
func (k *real) read(f rules.Family) (*standing, error) { return k.open(f, numSets) }

// glance returns what stands, without the elements of services.
func (k *real) glance(f rules.Family) (*standing, error) { return k.open(f, 0) }

// open reads what stands, and the elements of the first so many sets.
func (k *real) open(f rules.Family, sets setID) (s *standing, err error) {
	d := dumper{k, f}
	h := fnv.New32a()
	if n, err := d.chains(h); n == 0 || err != nil {
		return nil, err
	}
	s = &standing{classes: map[class]bool{}}
	err = d.maps(s, h, sets)
	if errors.Is(err, syscall.ENOENT) {
		return &standing{}, nil // not all that there should be
	}
	return s, err
}

// sign writes the version and what the chains come to into the table.
func (k *real) sign(f rules.Family, version uint32) error {
	s, err := k.glance(f)
	if err != nil {
		return err
	}
	if s == nil {
		return syscall.ENOENT
	}
	const set = "fingerprint"
	var r request
	r.transaction(unix.NFNL_MSG_BATCH_BEGIN)
	r.flush(f, set)
	r.elements(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, f, set, slices.Values([]element{
		{key: number(versionKey), value: number(version)}, {key: number(chainsKey), value: number(s.found)},
	}))
	return k.transact(r)
}

// dumper reads what stands of a family.
type dumper struct {
	kernel *real
	family rules.Family
}

// maps reads the elements of all maps and sets.
func (d dumper) maps(s *standing, h hash.Hash32, sets setID) error {
	lead, err := d.elements("dispatch")
	if err != nil {
		return err
	}
	for k := range lead {
		s.classes[class(toNumber(k))] = true
	}
	signed, err := d.elements("fingerprint")
	if err != nil {
		return err
	}
	s.version, s.chains = toNumber(signed[number(versionKey)]), toNumber(signed[number(chainsKey)])
	for _, name := range []string{"dispatch", "cluster", "nodeport-addresses"} {
		all, err := d.elements(name)
		if errors.Is(err, syscall.ENOENT) && name == "nodeport-addresses" {
			continue
		}
		if err != nil {
			return err
		}
		writeSorted(h, all)
	}
	s.found = h.Sum32()
	for id, name := range setNames[:sets] {
		if s.elements[id], err = d.elements(name); err != nil {
			return err
		}
	}
	return nil
}

func toNumber(b string) uint32 {
	if len(b) != 4 {
		return 0
	}
	return binary.NativeEndian.Uint32([]byte(b))
}

func writeSorted(h hash.Hash, elements map[string]string) {
	var all []string
	for k, v := range elements {
		all = append(all, k+v)
	}
	slices.Sort(all)
	for _, s := range all {
		_, _ = h.Write([]byte(s)) // never fails
	}
}

// The attributes of chains and rules that say what they do.
var telling = map[uint16][]uint16{
	unix.NFT_MSG_GETCHAIN: {unix.NFTA_CHAIN_NAME, unix.NFTA_CHAIN_HOOK, unix.NFTA_CHAIN_POLICY, unix.NFTA_CHAIN_TYPE},
	unix.NFT_MSG_GETRULE:  {unix.NFTA_RULE_CHAIN, unix.NFTA_RULE_EXPRESSIONS},
}

// chains adds to a hash what all chains and rules do, and returns how many of
// them there are.
func (d dumper) chains(h hash.Hash32) (n int, err error) {
	for _, message := range []uint16{unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_GETRULE} {
		err := d.dump(message, "", func(a answer) {
			if !ours(a) {
				return
			}
			n++
			for kind, value := range a.attributes() {
				if slices.Contains(telling[message], kind) {
					_, _ = h.Write(value) // never fails
				}
			}
		})
		if err != nil {
			return n, fmt.Errorf("read chains: %w", err)
		}
	}
	return n, nil
}

// ours reports whether an answer about a chain is about our table: older
// kernels list those of all.
func ours(a answer) bool {
	for kind, value := range a.attributes() {
		if kind == unix.NFTA_CHAIN_TABLE {
			return string(value) == tableName+"\x00"
		}
	}
	return false
}

// elements returns the elements of a map or set by key.
func (d dumper) elements(set string) (map[string]string, error) {
	all := map[string]string{}
	err := d.dump(unix.NFT_MSG_GETSETELEM, set, func(a answer) {
		for kind, list := range a.attributes() {
			if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				continue
			}
			for _, one := range attributes(list) {
				readElement(one, all)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", set, err)
	}
	return all, nil
}

func readElement(b []byte, into map[string]string) {
	var key, end, value []byte
	for kind, data := range attributes(b) {
		switch kind {
		case unix.NFTA_SET_ELEM_KEY:
			key = child(data, unix.NFTA_DATA_VALUE)
		case keyEnd:
			end = child(data, unix.NFTA_DATA_VALUE)
		case unix.NFTA_SET_ELEM_DATA:
			if value = child(data, unix.NFTA_DATA_VALUE); value == nil {
				value = data // a verdict
			}
		}
	}
	into[string(key)+string(end)] = string(value)
}

// dump asks for all chains or rules, or all elements of a set.
func (d dumper) dump(message uint16, set string, each func(answer)) error {
	var r request
	at := r.table(message, unix.NLM_F_DUMP, d.family)
	if set != "" {
		r.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	}
	r.close(at)
	return d.kernel.ask(func(s *socket) error { return s.ask(r, each) })
}
