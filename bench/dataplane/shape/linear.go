package shape

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/svcreg/svcreg/bench/dataplane/services"
)

// What kube-proxy's iptables mode writes, of the release that goes with the
// Kubernetes modules in go.mod, for services that have portal IPs alone: one
// list of all services, a chain for each, a chain for each endpoint, and a
// comment in nearly every rule.
const (
	servicesChain = "KUBE-SERVICES"
	markChain     = "KUBE-MARK-MASQ"

	// linearBase is what doesn't depend on services, with the chains that
	// kube-proxy keeps empty here.
	linearBase = `*filter
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`
	linearMasquerade = `:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
`
	linearNodePorts = `-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
`
	// linearJumps lead to it all. kube-proxy makes them once.
	linearJumps = `*filter
-I INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-I FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-I INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-I FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-I INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-I OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-I FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
COMMIT
*nat
-I OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
COMMIT
`
)

// linearChains returns the chains of a service and its endpoints: their
// declarations, and their rules.
func linearChains(s services.Service) (chains, rules string) {
	var c, r strings.Builder
	own, port, protocol := portChain("KUBE-SVC-", s), portName(s), protocol(s)
	fmt.Fprintf(&c, ":%s - [0:0]\n", own)
	fmt.Fprintf(&r, `-A %s -m comment --comment "%s cluster IP" -m %s -p %[3]s -d %s --dport %d ! -s %s -j %s`+"\n",
		own, port, protocol, s.Portals[0], services.Port, services.Cluster, markChain)
	for i, addr := range s.Service.Endpoints {
		chain, to := endpointChain(s, i), fmt.Sprintf("%s:%d", addr, services.Port)
		chance := ""
		if rest := len(s.Service.Endpoints) - i; rest > 1 {
			chance = fmt.Sprintf(" -m statistic --mode random --probability %.10f", 1/float64(rest))
		}
		fmt.Fprintf(&c, ":%s - [0:0]\n", chain)
		fmt.Fprintf(&r, `-A %s -m comment --comment "%s -> %s"%s -j %s`+"\n", own, port, to, chance, chain)
		fmt.Fprintf(&r, "-A %s -m comment --comment %s -s %s -j %s\n", chain, port, addr, markChain)
		fmt.Fprintf(&r, "-A %s -m comment --comment %s -m %s -p %[3]s -j DNAT --to-destination %s\n", chain, port, protocol, to)
	}
	return c.String(), r.String()
}

// linearEntry returns a service's rule in the list of all services.
func linearEntry(s services.Service) string {
	protocol := protocol(s)
	return fmt.Sprintf(`-A %s -m comment --comment "%s cluster IP" -m %s -p %[3]s -d %s --dport %d -j %s`+"\n",
		servicesChain, portName(s), protocol, s.Portals[0], services.Port, portChain("KUBE-SVC-", s))
}

func protocol(s services.Service) string { return strings.ToLower(string(s.Protocol)) }

func portName(s services.Service) string { return s.Namespace + "/" + s.Name + ":http" }

// portChain and endpointChain return names that are made like kube-proxy's, of
// a hash.
func portChain(prefix string, s services.Service, more ...string) string {
	sum := sha256.Sum256([]byte(portName(s) + protocol(s) + strings.Join(more, "")))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:16]
}

func endpointChain(s services.Service, i int) string {
	return portChain("KUBE-SEP-", s, s.Service.Endpoints[i].String())
}
