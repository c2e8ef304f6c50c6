package iptables

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	// a node is one of a tree here
	"github.com/svcreg/svcreg/proxyd/rules"
)

// Generation returns a number that is another one after a change to the kernel's
// rules, by whomever, and that costs a few microseconds. The legacy backend counts
// no changes: there it stands for the sizes of the tables.
func (p *Proxier) Generation() (uint64, error) {
	if p.features.Legacy {
		return tableSizes(p.families())
	}
	g, err := p.kernel.Generation()
	return uint64(g), err
}

// Changes returns what tells of the next change to the kernel's rules, by
// whomever; see node.NFTables. The legacy backend tells of none.
func (p *Proxier) Changes() (io.ReadCloser, error) {
	if p.features.Legacy {
		return nil, errors.ErrUnsupported
	}
	return p.kernel.Changes()
}

// Intact reports whether that stands which all packets meet first: the jumps to
// our chains, and the chains that those lead to. So it finds a table that was
// flushed or replaced at the cost of a command or two, or of none where nobody
// else changed any rules. What it doesn't find is a
// change to single rules further down.
func (p *Proxier) Intact(ctx context.Context) (bool, error) {
	if p.kernel.untouched() {
		return true, nil
	}
	for _, family := range p.families() {
		s, known := p.applied[family]
		if !known {
			continue // the next Sync reads it anyway
		}
		err := p.kernel.Kernel.Restore(ctx, family, s.canary()) // no change
		if err != nil && !isRefusal(err) {
			return false, fmt.Errorf("%v: look whether our rules stand: %w", family, err)
		}
		if err != nil {
			return false, nil //nolint:nilerr // the refusal is the answer
		}
	}
	return true, nil
}

// canary returns input that changes nothing, and that is refused where a jump
// or a rule of the base chains is missing.
func (s state) canary() []byte {
	var b bytes.Buffer
	for _, table := range []string{tableNAT, tableFilter} {
		fmt.Fprintf(&b, "*%s\n", table)
		for _, j := range jumps {
			if j.table == table {
				fmt.Fprintf(&b, "-C %s %s\n", j.chain, j.rule)
			}
		}
		for _, c := range s.baseChains() {
			if c.table != table {
				continue
			}
			for _, line := range c.lines() {
				fmt.Fprintf(&b, "-C %s %s\n", c.name, line)
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.Bytes()
}

// tableSizes returns a hash of the sizes of the legacy backend's tables.
func tableSizes(families []rules.Family) (uint64, error) {
	hash := fnv.New64a()
	for _, family := range families {
		for _, table := range []string{tableNAT, tableFilter} {
			info, err := tableInfo(family, table)
			if err != nil {
				return 0, fmt.Errorf("%v: look at table %s: %w", family, table, err)
			}
			_ = binary.Write(hash, binary.NativeEndian, info) // a hash takes all
		}
	}
	return hash.Sum64(), nil
}

// info is what the kernel says of a table of the legacy backend, for the socket
// option IPT_SO_GET_INFO (struct ipt_getinfo in linux/netfilter_ipv4/ip_tables.h,
// and the same for IPv6).
type info struct {
	Name                   [32]byte
	ValidHooks             uint32
	HookEntries, Underflow [5]uint32
	Entries, Size          uint32
}

const soGetInfo = 64

func tableInfo(family rules.Family, table string) (*info, error) {
	domain, level := unix.AF_INET, unix.IPPROTO_IP
	if family == rules.IPv6 {
		domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	asked := &info{}
	copy(asked.Name[:], table)
	size := uint32(unsafe.Sizeof(*asked))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), soGetInfo,
		uintptr(unsafe.Pointer(asked)), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // both outlive the call
	switch {
	case errno != 0:
		return nil, errno
	case size != uint32(unsafe.Sizeof(*asked)):
		return nil, errors.New("the kernel's answer has another size")
	}
	return asked, nil
}
