package registry

import "net/netip"

// Pod is a group of processes with an address of its own.
type Pod struct {
	Meta
	// IPs are the pod's addresses, at most one of each family.
	IPs    []netip.Addr
	HostIP netip.Addr
	// Node is the name of the node that runs the pod.
	Node string
	// Ready says that the pod can serve; Terminating that it is being
	// deleted; Finished that its processes have ended for good.
	Ready, Terminating, Finished bool
	Ports                        []ContainerPort
	// Hostname is the pod's name of its own within the headless service that
	// Subdomain names.
	Hostname, Subdomain string
}

// ContainerPort is a port of one of a pod's containers.
type ContainerPort struct {
	Name     string
	Protocol Protocol
	Port     uint16
}

// Node is a machine of the fleet (a Minion in v1beta1 and v1beta2).
type Node struct {
	Meta
	// IPs are the node's addresses, internal ones first.
	IPs  []netip.Addr
	Zone string
	// Ready says that the node can run pods, Leaving that it is about to go: it
	// is being deleted, or the cluster's autoscaler is going to.
	Ready, Leaving bool
}

// Namespace is a scope for names.
type Namespace struct {
	Meta
}

// ServiceCIDR is a set of portal networks: where portal IPs are taken from.
type ServiceCIDR struct {
	Meta
	Prefixes []netip.Prefix
}

// IPAddress says which service owns a portal IP. Its name is the address in
// canonical form.
type IPAddress struct {
	Meta
	Addr    netip.Addr
	Service Key
}
