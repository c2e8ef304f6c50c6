package nftables

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// request is netlink messages for nf_tables, one after the other, as the kernel
// reads them (include/uapi/linux/netlink.h and netfilter/nf_tables.h). Package
// google/nftables could write them as well, at some ten times the cost.
type request []byte

// message begins a message, and returns where; it is whole when it is closed.
func (r *request) message(kind, flags uint16, family byte, resource uint16) int {
	at := len(*r)
	b := binary.NativeEndian.AppendUint32(*r, 0) // the length
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // the number and the sender: nothing else is under way
	b = append(b, family, unix.NFNETLINK_V0)
	*r = binary.BigEndian.AppendUint16(b, resource)
	return at
}

// table begins a message about something in a table of ours.
func (r *request) table(kind, flags uint16, f rules.Family) int {
	at := r.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, protocolFamily(f), 0)
	r.text(unix.NFTA_TABLE_NAME, tableName) // the same number wherever there is one
	return at
}

// close writes the length of a message that began there.
func (r *request) close(at int) {
	binary.NativeEndian.PutUint32((*r)[at:], uint32(len(*r)-at))
}

// transaction writes what stands before, or behind, the messages that the kernel
// carries out all or none of.
func (r *request) transaction(mark uint16) {
	r.close(r.message(mark, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES))
}

// acknowledge has the kernel answer the last message even if there is nothing
// against it.
func (r request) acknowledge() {
	last := 0
	for at := 0; at < len(r); at += aligned(int(binary.NativeEndian.Uint32(r[at:]))) {
		last = at
	}
	flags := r[last+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
}

// attribute adds an attribute with a value.
func (r *request) attribute(kind uint16, value string) {
	b := binary.NativeEndian.AppendUint16(*r, uint16(unix.NLA_HDRLEN+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	*r = b
}

// text adds an attribute with a name.
func (r *request) text(kind uint16, name string) { r.attribute(kind, name+"\x00") }

// nest begins an attribute that consists of attributes, and returns where.
func (r *request) nest(kind uint16) int {
	at := len(*r)
	r.attribute(kind|unix.NLA_F_NESTED, "")
	return at
}

// unnest writes the length of an attribute that began there.
func (r *request) unnest(at int) {
	binary.NativeEndian.PutUint16((*r)[at:], uint16(len(*r)-at))
}

// data adds a key or a value of an element.
func (r *request) data(kind uint16, value string) {
	if value != "" {
		at := r.nest(kind)
		r.attribute(unix.NFTA_DATA_VALUE, value)
		r.unnest(at)
	}
}

// elements adds messages about elements of a set, as many as it takes.
func (r *request) elements(kind, flags uint16, f rules.Family, set string, all iter.Seq[element]) {
	message, list, n := 0, 0, 0
	end := func() {
		if n > 0 {
			r.unnest(list)
			r.close(message)
		}
		n = 0
	}
	for e := range all {
		if n == 0 {
			message = r.table(kind, flags, f)
			r.text(unix.NFTA_SET_ELEM_LIST_SET, set)
			list = r.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		}
		one := r.nest(unix.NFTA_LIST_ELEM)
		r.data(unix.NFTA_SET_ELEM_KEY, e.key)
		r.data(keyEnd, e.end)
		r.data(unix.NFTA_SET_ELEM_DATA, e.value)
		r.unnest(one)
		if n++; n == chunk {
			end()
		}
	}
	end()
}

// nfta_set_elem_key_end is the attribute of an interval's end.
const keyEnd = 10

// answer is one message from the kernel.
type answer struct {
	kind uint16
	data []byte // behind the header
}

// answers yields the messages that the kernel sent at once.
func answers(b []byte) iter.Seq[answer] {
	return func(yield func(answer) bool) {
		for len(b) >= unix.NLMSG_HDRLEN {
			n := int(binary.NativeEndian.Uint32(b))
			if n < unix.NLMSG_HDRLEN || n > len(b) {
				return
			}
			if !yield(answer{binary.NativeEndian.Uint16(b[4:]), b[unix.NLMSG_HDRLEN:n]}) {
				return
			}
			b = b[min(aligned(n), len(b)):]
		}
	}
}

// errno returns what the kernel says in an answer about an error; 0 for none.
func (a answer) errno() unix.Errno {
	if len(a.data) < 4 {
		return unix.EBADMSG
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(a.data)))
}

// attributes yields the attributes of an answer about nf_tables.
func (a answer) attributes() iter.Seq2[uint16, []byte] {
	return attributes(a.data[min(nfgenmsg, len(a.data)):])
}

// nfgenmsg is how many bytes stand before an answer's attributes.
const nfgenmsg = 4

// attributes yields the attributes that an attribute consists of.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.NLA_HDRLEN {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.NLA_HDRLEN || n > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.NLA_HDRLEN:n]) {
				return
			}
			b = b[min(aligned(n), len(b)):]
		}
	}
}

// child returns the first attribute of a kind, or nil.
func child(b []byte, kind uint16) []byte {
	for k, value := range attributes(b) {
		if k == kind {
			return value
		}
	}
	return nil
}

// aligned returns a length with the padding behind it.
func aligned(n int) int { return (n + unix.NLA_ALIGNTO - 1) &^ (unix.NLA_ALIGNTO - 1) }
