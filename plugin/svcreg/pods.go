package svcreg

import (
	"fmt"
	"net/netip"
	"strings"
)

// podMode is which pods have names: <address>.<namespace>.pod.<zone>, the
// address with dashes.
type podMode uint8

const (
	podsDisabled podMode = iota
	podsInsecure         // whatever address, in a namespace that exists
	podsVerified         // those that the registry has, and that have not finished
)

var podModes = map[string]podMode{"disabled": podsDisabled, "insecure": podsInsecure, "verified": podsVerified}

func (o *options) setPods(args []string) error {
	const want = "disabled, insecure or verified"
	text, err := one(args, want)
	if err != nil {
		return err
	}
	mode, ok := podModes[text]
	if !ok {
		return fmt.Errorf("%s: want %s", text, want)
	}
	o.pods = mode
	return nil
}

// pod returns what stands at the labels [address.]namespace below "pod".
func (x *index) pod(labels string) subject {
	label, namespace := cutLabel(labels)
	switch {
	case labels == "":
		return hollow
	case !x.hasPods(namespace):
		return nil
	case label == "":
		return hollow
	}
	addr := parseDashed(label)
	if !addr.IsValid() || x.podMode == podsVerified && !x.podAt(addr, namespace) {
		return nil
	}
	return &host{addrs: []netip.Addr{addr}}
}

// hasPods reports whether pods of a namespace can have names: it is exposed,
// and it exists or has pods.
func (x *index) hasPods(namespace string) bool {
	if x.hasNamespace(namespace) {
		return true
	}
	return x.podMode == podsVerified && x.snapshot.HasPods(namespace) && x.filter.namespace(x.snapshot, namespace)
}

// podAt reports whether an unfinished pod of a namespace has an address.
func (x *index) podAt(addr netip.Addr, namespace string) bool {
	for k := range x.snapshot.PodKeysByIP(addr) {
		if k.Namespace == namespace {
			return true
		}
	}
	return false
}

// parseDashed reads an address with dashes for dots, or for colons in any of
// IPv6's spellings. It returns the zero Addr if the label is none.
func parseDashed(label string) netip.Addr {
	if addr, ok := parseDashed4(label); ok {
		return addr
	}
	if strings.ContainsFunc(label, func(c rune) bool { return c != '-' && !isHex(c) }) {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	if err != nil || addr.Is4In6() { // an IPv4 address has its own label
		return netip.Addr{}
	}
	return addr
}

func parseDashed4(label string) (addr netip.Addr, ok bool) {
	var octets [4]byte
	for i := range octets {
		text, rest, more := strings.Cut(label, "-")
		if octets[i], ok = parseOctet(text); !ok || more != (i < 3) {
			return addr, false
		}
		label = rest
	}
	return netip.AddrFrom4(octets), true
}

func isHex(c rune) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
