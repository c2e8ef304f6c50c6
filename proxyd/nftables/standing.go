package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
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
func (k *real) read(f Family) (*standing, error) { return open(f, numSets) }

// glance returns what stands, without the elements of services.
func (k *real) glance(f Family) (*standing, error) { return open(f, 0) }

// open reads what stands, and the elements of the first so many sets.
func open(f Family, sets setID) (_ *standing, err error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := buffers(conn); err != nil {
		return nil, err
	}
	d := dumper{conn, f}
	return d.standing(sets)
}

// sign writes the version and what the chains come to into the table.
func (k *real) sign(f Family, version uint32) error {
	s, err := k.glance(f)
	if err != nil {
		return err
	}
	if s == nil {
		return syscall.ENOENT
	}
	conn, err := k.dial()
	if err != nil {
		return err
	}
	set := f.set("fingerprint")
	add := func(key, value uint32) nftables.SetElement {
		return nftables.SetElement{Key: []byte(number(key)), Val: []byte(number(value))}
	}
	conn.FlushSet(set)
	err = conn.SetAddElements(set, []nftables.SetElement{add(versionKey, version), add(chainsKey, s.found)})
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		k.conn = nil
		err = errors.Join(err, conn.CloseLasting())
	}
	return err
}

// dumper reads what stands of a family.
type dumper struct {
	conn   *netlink.Conn
	family Family
}

func (d dumper) standing(sets setID) (*standing, error) {
	s := &standing{classes: map[class]bool{}}
	h := fnv.New32a()
	if n, err := d.chains(h); n == 0 || err != nil {
		return nil, err
	}
	err := d.maps(s, h, sets)
	if errors.Is(err, syscall.ENOENT) {
		return &standing{}, nil // not all that there should be
	}
	return s, err
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
func (d dumper) chains(h hash.Hash) (n int, err error) {
	for _, message := range []uint16{unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_GETRULE} {
		answers, err := d.dump(message, netlink.Attribute{Type: unix.NFTA_RULE_TABLE, Data: []byte(tableName + "\x00")})
		if err != nil {
			return n, err
		}
		for _, answer := range answers {
			attributes, err := netlink.UnmarshalAttributes(answer.Data[4:])
			if err != nil {
				return n, err
			}
			if !ours(attributes) {
				continue
			}
			n++
			for _, a := range attributes {
				if slices.Contains(telling[message], a.Type) {
					_, _ = h.Write(a.Data) // never fails
				}
			}
		}
	}
	return n, nil
}

// ours reports whether an answer about a chain is about our table: older
// kernels list those of all.
func ours(attributes []netlink.Attribute) bool {
	return slices.ContainsFunc(attributes, func(a netlink.Attribute) bool {
		return a.Type == unix.NFTA_CHAIN_TABLE && string(a.Data) == tableName+"\x00"
	})
}

// elements returns the elements of a map or set by key.
func (d dumper) elements(set string) (map[string]string, error) {
	answers, err := d.dump(unix.NFT_MSG_GETSETELEM,
		netlink.Attribute{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: []byte(tableName + "\x00")},
		netlink.Attribute{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: []byte(set + "\x00")})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", set, err)
	}
	all := map[string]string{}
	for _, answer := range answers {
		err := nested(answer.Data[4:], unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(list []byte) error {
			return nested(list, unix.NFTA_LIST_ELEM, func(one []byte) error { return readElement(one, all) })
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", set, err)
		}
	}
	return all, nil
}

// nfta_set_elem_key_end is the attribute of an interval's end.
const keyEnd = 10

func readElement(b []byte, into map[string]string) error {
	var key, end, value string
	take := func(to *string) func([]byte) error {
		return func(b []byte) error { *to = string(b); return nil }
	}
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			err = nested(ad.Bytes(), unix.NFTA_DATA_VALUE, take(&key))
		case keyEnd:
			err = nested(ad.Bytes(), unix.NFTA_DATA_VALUE, take(&end))
		case unix.NFTA_SET_ELEM_DATA:
			if err = nested(ad.Bytes(), unix.NFTA_DATA_VALUE, take(&value)); value == "" {
				value = string(ad.Bytes()) // a verdict
			}
		}
		if err != nil {
			return err
		}
	}
	into[key+end] = value
	return ad.Err()
}

// nested calls a function with each attribute of a type.
func nested(b []byte, attribute uint16, each func([]byte) error) error {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	for ad.Next() {
		if ad.Type() == attribute {
			if err := each(ad.Bytes()); err != nil {
				return err
			}
		}
	}
	return ad.Err()
}

// dump asks for all of something.
func (d dumper) dump(message uint16, attributes ...netlink.Attribute) ([]netlink.Message, error) {
	data, err := netlink.MarshalAttributes(attributes)
	if err != nil {
		return nil, err
	}
	answers, err := d.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message), Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{byte(d.family.netlink()), unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if err != nil {
		return nil, fmt.Errorf("read nf_tables: %w", err)
	}
	return answers, nil
}
