package announce

import (
	"cmp"
	"hash/fnv"
	"net/netip"
)

// choose returns the name of the member that announces an address, of which
// so many services can be reached through any node; empty if there is none.
// Of those in the address's subnet the ones count that have a path to the most
// of its services, and of these the one with the highest score. So a member
// that comes takes addresses from others, each as many, and what a member had
// that goes is spread over the others; no other address moves.
//
// A member that is joining stands behind those that aren't, but for what it
// holds: a node that comes and goes all the time moves nothing.
func choose(addr netip.Addr, anywhere int, members map[string]*member, holder string) string {
	best, most := "", rank{}
	for name, m := range members {
		r := rank{anywhere + m.Local[addr], !m.Joining || name == holder, score(addr, name)}
		if r.paths == 0 || !m.reaches(addr) {
			continue
		}
		if c := r.compare(most); best == "" || c > 0 || c == 0 && name < best {
			best, most = name, r
		}
	}
	return best
}

// rank is what a member is chosen by.
type rank struct {
	paths   int
	settled bool
	score   uint64
}

func (r rank) compare(other rank) int {
	if r.paths == other.paths && r.settled != other.settled {
		if r.settled {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(r.paths, other.paths), cmp.Compare(r.score, other.score))
}

// score returns how much a node is preferred for an address. Nodes of
// different versions must agree on it.
func score(addr netip.Addr, node string) uint64 {
	h := fnv.New64a()
	bytes := addr.As16()
	_, _ = h.Write(bytes[:])
	_, _ = h.Write([]byte(node))
	// FNV leaves names that differ at the end alike in the high bits, which
	// decide; this mixes them (the finalizer of SplitMix64).
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
