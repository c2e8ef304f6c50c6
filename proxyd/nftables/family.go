package nftables

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// protocolFamily returns a family's number in netlink's messages.
func protocolFamily(f rules.Family) byte {
	if f == rules.IPv6 {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// words are what a family is called in nft's language. In place of KEY stand
// the address, protocol and port that a packet is for, in place of CLIENT those
// and the client's address: the key of affinity. nft 1.0.6 can't write to maps
// with keys of more than 16 bytes, so for IPv6 that has two hashes in place of
// the addresses.
func words(f rules.Family, node bool) *strings.Replacer {
	ip, zero, icmp, loopback, local := "ip", "0.0.0.0", "icmp", "127.0.0.0/8", "169.254.0.0/16"
	if f == rules.IPv6 {
		ip, zero, icmp, loopback, local = "ip6", "::", "icmpv6", "::1", "fe80::/10"
	}
	const ports = " . meta l4proto . th dport"
	key, pair, suffix := ip+" daddr"+ports, ip+" saddr . "+ip+" daddr", ""
	bit := class(0)
	if node {
		bit = nodeBit
		key, pair, suffix = ip+" daddr & "+zero+ports, ip+" saddr", "-node"
	}
	client, affinity := key+" . "+ip+" saddr", "type ipv4_addr . inet_proto . inet_service . ipv4_addr : classid"
	if f == rules.IPv6 {
		const hash = "jhash %[1]s mod 4294967295 seed 0x1 . jhash %[1]s mod 4294967295 seed 0x2"
		const number = "numgen random mod 4294967295"
		client, affinity = fmt.Sprintf(hash, pair)+ports, "typeof "+number+" . "+number+ports+" : meta priority"
	}
	return strings.NewReplacer(
		"CLIENT", client, "AFFINITY", affinity, "KEY", key, "-NODE", suffix,
		"SPLIT", (split | bit).String(), "LIMITED", (limited | bit).String(), "ZERO", zero, "ICMP", icmp, "LOOPBACK", loopback, "LINKLOCAL", local, "ADDR", "ipv"+f.String()[3:]+"_addr", "IP", ip,
	)
}

// protocols are the numbers of the protocols that services have, as the IANA
// gives them out.
var protocols = map[registry.Protocol]byte{registry.TCP: 6, registry.UDP: 17, registry.SCTP: 132}
