// Package peers knows the servers that are compared: which plugins each is
// made of, what its Corefile says, and how the fleet is written down for it.
package peers

import (
	"fmt"
	"net/netip"
	"strings"
)

// Peer is a server that is compared, named by its plugins.
type Peer string

// The servers. All are the same program with another Corefile.
const (
	Whoami               Peer = "whoami"
	WhoamiPrometheus     Peer = "whoami + prometheus"
	Hosts                Peer = "hosts"
	File                 Peer = "file"
	Etcd                 Peer = "etcd"
	EtcdCache            Peer = "etcd + cache"
	Kubernetes           Peer = "kubernetes"
	KubernetesPrometheus Peer = "kubernetes + prometheus"
	Svcreg               Peer = "svcreg"
	SvcregPrometheus     Peer = "svcreg + prometheus"
	// SvcregSnapshot is svcreg with its registry also in a file.
	SvcregSnapshot Peer = "svcreg, snapshot file"
	// SvcregEmpty is svcreg with a registry that has nothing in it.
	SvcregEmpty Peer = "svcreg, no services"
)

// Sources are where servers find the fleet.
type Sources struct {
	EtcdURL      string
	APIServerURL string
	HostsFile    string
	ZoneFile     string
	SnapshotFile string
	// Pods says that servers verify the names of pods.
	Pods bool
}

// Answers tells whether a server has the fleet's services to answer with.
func (p Peer) Answers() bool {
	return p != SvcregEmpty && !strings.HasPrefix(string(p), string(Whoami))
}

// Corefile returns a server's configuration. The metrics address matters only
// to servers that have metrics.
func (p Peer) Corefile(s Sources, listen, metrics netip.AddrPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".:%d {\n\tbind %s\n", listen.Port(), listen.Addr())
	for part := range strings.SplitSeq(string(p), " + ") {
		b.WriteString("\t" + s.stanza(part, metrics) + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// zones are what servers with reverse zones serve.
const zones = "cluster.local in-addr.arpa ip6.arpa"

// stanza returns what configures one plugin.
func (s Sources) stanza(name string, metrics netip.AddrPort) string {
	switch Peer(name) {
	case "prometheus":
		return "prometheus " + metrics.String()
	case Hosts:
		return "hosts " + s.HostsFile
	case File:
		return "file " + s.ZoneFile + " cluster.local"
	case Etcd:
		return "etcd cluster.local {\n\t\tpath " + skydns + "\n\t\tendpoint " + s.EtcdURL + "\n\t}"
	case Kubernetes:
		return "kubernetes " + zones + " {\n\t\tendpoint " + s.APIServerURL + "\n" + s.pods() + "\t}"
	case Svcreg:
		return s.svcreg("")
	case SvcregSnapshot:
		return s.svcreg("\t\tsnapshot " + s.SnapshotFile + "\n")
	case SvcregEmpty:
		return s.svcreg("\t\tpath /empty\n")
	}
	return name
}

func (s Sources) svcreg(more string) string {
	return "svcreg " + zones + " {\n\t\tendpoint " + s.EtcdURL + "\n" + s.pods() + more + "\t}"
}

func (s Sources) pods() string {
	if s.Pods {
		return "\t\tpods verified\n"
	}
	return ""
}
