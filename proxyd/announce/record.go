package announce

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry/codec"
)

// member is what a node says of itself, the value of its key in etcd.
type member struct {
	// Subnets are where the node can announce addresses.
	Subnets []netip.Prefix `json:"subnets"`
	// Local counts, for addresses of services with externalTrafficPolicy
	// Local, those of them that have a ready endpoint on the node.
	Local map[netip.Addr]int `json:"local,omitempty"`
	// Joining says that the node has come, or come back, only just. It may go
	// again soon, so it takes nothing from others yet.
	Joining bool `json:"joining,omitempty"`
}

// reaches reports whether an address is in one of the subnets.
func (m *member) reaches(addr netip.Addr) bool {
	return slices.ContainsFunc(m.Subnets, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (m *member) equal(other *member) bool {
	return other != nil && slices.Equal(m.Subnets, other.Subnets) && maps.Equal(m.Local, other.Local) && m.Joining == other.Joining
}

// gains reports whether there is a subnet that another record lacks.
func (m *member) gains(other *member) bool {
	return slices.ContainsFunc(m.Subnets, func(p netip.Prefix) bool { return !slices.Contains(other.Subnets, p) })
}

func (m *member) encode() (string, error) {
	data, err := json.Marshal(m)
	return string(data), err
}

func decodeMember(value []byte) (*member, error) {
	m := &member{}
	if err := json.Unmarshal(value, m); err != nil {
		return nil, fmt.Errorf("announcer's record: %w", err)
	}
	return m, nil
}

// keys are where announcing has its state in etcd. The three directories stand
// next to each other in the order of their names, so that one list and one
// watch see all of them at one revision.
type keys struct {
	allocated string // by package loadbalancer: an address and whose it is
	announced string // an address and the node that announces it
	members   string // a node and what it reaches
}

func newKeys(layout codec.Layout) keys {
	dir := layout.Prefix() + "/svcreg/"
	return keys{dir + "addresses/", dir + "announced/", dir + "announcers/"}
}

// span returns the range of keys from the first directory to the last.
func (k keys) span() (from, to string) {
	return k.allocated, strings.TrimSuffix(k.members, "/") + "0" // "0" follows "/"
}

func (k keys) claim(addr netip.Addr) string { return k.announced + addr.String() }

// addrIn returns the address that a key of a directory names.
func addrIn(dir, key string) (netip.Addr, bool) {
	rest, ok := strings.CutPrefix(key, dir)
	if !ok {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(rest)
	return addr.Unmap(), err == nil && addr.Zone() == ""
}
