package announce

import (
	"hash/fnv"
	"net/netip"
)

// choose returns the name of the member that announces an address, of which
// so many services can be reached through any node; empty if there is none.
// Of those in the address's subnet the ones count that have a path to the most
// of its services, and of these the one with the highest score. So a member
// that comes takes addresses from others, each as many, and what a member had
// that goes is spread over the others; no other address moves.
func choose(addr netip.Addr, anywhere int, members map[string]*member) string {
	best, paths, most := "", 0, uint64(0)
	for name, m := range members {
		n := anywhere + m.Local[addr]
		if n == 0 || n < paths || !m.reaches(addr) {
			continue
		}
		s := score(addr, name)
		if n > paths || s > most || s == most && name < best {
			best, paths, most = name, n, s
		}
	}
	return best
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
