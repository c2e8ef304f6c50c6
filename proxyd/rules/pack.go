package rules

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The effect of a rule is packed into a string: flags, the name of the port,
// and then what the flags say there is, numbers as varints. Backends stand at
// the end of their target: an address, a port and a weight each, of 8 bytes or
// of 20. Addresses are of the frontend's family. Equal effects have equal
// strings.
const (
	hasAffinity = 1 << iota
	hasSources
	hasOutside
	drops
	outsideDrops
)

// pack appends the effect of a rule.
func pack(b []byte, r *Rule) []byte {
	flags := flag(r.Affinity > 0, hasAffinity) | flag(r.Sources != nil, hasSources) | flag(r.Drop, drops) |
		flag(r.Outside != nil, hasOutside) | flag(r.Outside != nil && r.Outside.Drop, outsideDrops)
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(r.PortName)))
	b = append(b, r.PortName...)
	if r.Affinity > 0 {
		b = binary.AppendUvarint(b, uint64(r.Affinity))
	}
	if r.Sources != nil {
		b = binary.AppendUvarint(b, uint64(len(r.Sources)))
		for _, p := range r.Sources {
			b = append(append(b, p.Addr().AsSlice()...), byte(p.Bits()))
		}
	}
	b = packBackends(b, r.Backends)
	if r.Outside != nil {
		b = packBackends(b, r.Outside.Backends)
	}
	return b
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func packBackends(b []byte, backends []Backend) []byte {
	b = binary.AppendUvarint(b, uint64(len(backends)))
	for i := range backends {
		to := &backends[i]
		if to.Addr().Is4() {
			a := to.Addr().As4()
			b = append(b, a[:]...)
		} else {
			a := to.Addr().As16()
			b = append(b, a[:]...)
		}
		b = binary.BigEndian.AppendUint16(b, to.Port())
		b = binary.BigEndian.AppendUint16(b, to.Weight)
	}
	return b
}

// unpack fills in the effect of a rule that has its frontend.
func unpack(effect string, r *Rule) {
	u := unpacker{effect, r.Addr.Is4()}
	flags := u.next(1)[0]
	r.PortName = u.next(int(u.number()))
	if flags&hasAffinity != 0 {
		r.Affinity = time.Duration(u.number())
	}
	if flags&hasSources != 0 {
		r.Sources = make([]netip.Prefix, u.number())
		for i := range r.Sources {
			r.Sources[i] = netip.PrefixFrom(u.addr(), int(u.next(1)[0]))
		}
	}
	r.Target = Target{u.backends(), flags&drops != 0}
	if flags&hasOutside != 0 {
		r.Outside = &Target{u.backends(), flags&outsideDrops != 0}
	}
}

// unpacker reads what pack wrote.
type unpacker struct {
	rest string
	is4  bool
}

func (u *unpacker) next(n int) string {
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) number() uint64 {
	n := uint64(0)
	for i := 0; ; i++ {
		b := u.rest[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			u.rest = u.rest[i+1:]
			return n
		}
	}
}

func (u *unpacker) addr() netip.Addr {
	if u.is4 {
		return netip.AddrFrom4([4]byte([]byte(u.next(4))))
	}
	return netip.AddrFrom16([16]byte([]byte(u.next(16))))
}

func (u *unpacker) uint16() uint16 {
	s := u.next(2)
	return uint16(s[0])<<8 | uint16(s[1])
}

// backends reads the backends of a target; nil for none.
func (u *unpacker) backends() []Backend {
	n := int(u.number())
	if n == 0 {
		return nil
	}
	all := make([]Backend, n)
	for i := range all {
		all[i] = Backend{netip.AddrPortFrom(u.addr(), u.uint16()), u.uint16()}
	}
	return all
}
