package nftables

import (
	"fmt"
	"strings"
	"time"
)

// class is what is done with a packet: the value of a frontend, and the key of
// the chain that does it. The lower half is the number of slots; the upper one
// says in its bits what else there is: kind (2 bits), whether it is a node
// port's (1), and the affinity or which fixed chain (12). So nft prints the
// class of a portal IP with five endpoints as 0:5.
type class uint32

// kind says whose connections a class is for, and with that, which are
// masqueraded.
type kind uint32

const (
	portal   kind = iota // a portal IP: masqueraded as the configuration says
	external             // masqueraded
	outside              // clients outside the cluster: never masqueraded, and with slots of their own
	fixed                // no slots: a chain that is always there
)

// The fixed classes. What leads to a chain by the map dispatch is refuse and
// drop alone: the kernel allows no circles, and after limited and split comes
// another look there.
const (
	refuse = class(fixed)<<16 | iota<<19
	drop
	limited
	split
)

const (
	nodeBit = class(1) << 18
	// maxSlots bounds the slots of one target.
	maxSlots = 1<<15 - 1
	// outsideSlots is the first slot of targets for clients outside.
	outsideSlots = 1 << 15
	// builtSlots is how many slots the classes have at most that are always
	// there, so that the usual services find theirs.
	builtSlots = 16
)

// newClass returns the class of a target with backends.
func newClass(k kind, slots int, affinity time.Duration, node bool) class {
	c := class(k)<<16 | class(slots) | class(affinityCode(affinity))<<19
	if node {
		c |= nodeBit
	}
	return c
}

func (c class) slots() int { return int(c & 0xffff) }
func (c class) kind() kind { return kind(c >> 16 & 3) }
func (c class) node() bool { return c&nodeBit != 0 }
func (c class) affinity() time.Duration {
	if c.kind() == fixed {
		return 0
	}
	return affinityOf(uint32(c >> 19))
}

// Affinity is told apart by the second up to exactAffinity, and by the half
// minute above it, up to what is left of the 12 bits: more than the day that
// the registry allows.
const (
	exactAffinity  = 1200
	affinityStep   = 30
	maxAffinityBit = 1<<12 - 1
)

// affinityCode returns the number of an affinity's time, rounded up.
func affinityCode(d time.Duration) uint32 {
	s := (d + time.Second - 1) / time.Second
	if s > exactAffinity {
		s = exactAffinity + (s-exactAffinity+affinityStep-1)/affinityStep
	}
	return uint32(min(s, maxAffinityBit))
}

// affinityOf returns the time that a number stands for.
func affinityOf(code uint32) time.Duration {
	s := time.Duration(code)
	if s > exactAffinity {
		s = exactAffinity + (s-exactAffinity)*affinityStep
	}
	return s * time.Second
}

// String returns the class as nft writes it.
func (c class) String() string { return fmt.Sprintf("%x:%x", uint32(c>>16), uint32(c&0xffff)) }

// chain returns the name of the class's chain, such as "serve-external-5" or
// "serve-5-10800s".
func (c class) chain() string {
	suffix := ""
	if c.node() {
		suffix = "-node"
	}
	switch c {
	case refuse:
		return "refused"
	case drop:
		return "dropped"
	}
	var b strings.Builder
	b.WriteString("serve" + suffix + [...]string{"", "-external", "-outside"}[c.kind()])
	fmt.Fprintf(&b, "-%d", c.slots())
	if c.affinity() > 0 {
		fmt.Fprintf(&b, "-%ds", int(c.affinity().Seconds()))
	}
	return b.String()
}

// built are the classes of which there are always chains.
func built() []class {
	classes := []class{refuse, drop}
	for n := range builtSlots {
		classes = append(classes, newClass(portal, n+1, 0, false))
	}
	return classes
}
