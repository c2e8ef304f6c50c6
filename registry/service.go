package registry

import (
	"net/netip"
	"time"
)

// Protocol is a transport protocol, in the upper case the registry writes.
type Protocol string

// The protocols a service port can have.
const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
)

// ServiceType is the spec.type of a v1 Service.
type ServiceType string

// The types of a Service. The two older API versions have only the first and
// the third, which they write as createExternalLoadBalancer.
const (
	ClusterIP    ServiceType = "ClusterIP"
	NodePort     ServiceType = "NodePort"
	LoadBalancer ServiceType = "LoadBalancer"
	ExternalName ServiceType = "ExternalName"
)

// DefaultAffinityTimeout is how long a client stays with its endpoint where a
// service with session affinity gives no time of its own (kube-proxy's
// default, three hours).
const DefaultAffinityTimeout = 10800 * time.Second

// Service is a stable name, and mostly a stable address, for a set of
// endpoints.
type Service struct {
	Meta
	Type ServiceType

	// PortalIPs are the service's virtual addresses (clusterIPs in v1), at
	// most one of each family. A headless service has none.
	PortalIPs []netip.Addr
	// Headless says that portalIP is "None": names resolve to the endpoints.
	Headless bool
	// PublicIPs are outside addresses that lead to the service (externalIPs
	// in v1).
	PublicIPs []netip.Addr
	// LoadBalancerIPs are the addresses of status.loadBalancer.ingress.
	LoadBalancerIPs []netip.Addr
	// SourceRanges limits who may use the LoadBalancerIPs; empty means all.
	SourceRanges []netip.Prefix
	// ExternalName is the name that a service of that type stands for; see
	// IsAlias.
	ExternalName string

	Ports []Port
	// Selector chooses the pods that serve. Nil means that endpoints are made
	// by hand; empty but not nil selects every pod.
	Selector map[string]string

	// AffinityTimeout is how long a client stays with its endpoint
	// (sessionAffinity ClientIP); zero means no affinity.
	AffinityTimeout time.Duration

	// ExternalLocal and InternalLocal say that traffic from outside, or from
	// inside, goes to endpoints of the same node only.
	ExternalLocal, InternalLocal bool
	// HealthCheckNodePort answers load balancers of an ExternalLocal service.
	HealthCheckNodePort uint16
	// TrafficDistribution is the v1 field of that name, such as "PreferClose".
	TrafficDistribution string
	// PublishNotReady says that endpoints count as ready whatever they are.
	PublishNotReady bool
	// OnlyIPv4 and OnlyIPv6 say that a headless service asks for pods' addresses
	// of one family (a single one in spec.ipFamilies); without either it has
	// those of both.
	OnlyIPv4, OnlyIPv6 bool
	// Conditions are what controllers say of the service.
	Conditions []Condition
}

// HasNodePorts reports whether the node ports that a service names lead
// anywhere.
func (s *Service) HasNodePorts() bool { return s.Type == NodePort || s.Type == LoadBalancer }

// IsAlias reports whether a service is nothing but another name for something
// outside: DNS has a CNAME record for it, and no packet is led there. One of
// type ExternalName that has ports and a portal IP is more: a service like the
// others, whose endpoints follow the name. No apiserver stores such a one.
func (s *Service) IsAlias() bool {
	return s.Type == ExternalName && (len(s.PortalIPs) == 0 || len(s.Ports) == 0)
}

// Port is one port of a service.
type Port struct {
	Name     string
	Protocol Protocol
	Port     uint16
	// TargetPort is the endpoint's port, a number or the name of a
	// container's port; empty means the same as Port. It may be FirstPort.
	TargetPort string
	// NodePort is the port on every node; zero for none.
	NodePort uint16
}

// FirstPort as a TargetPort is the first port of a pod's containers, or the
// same as Port where they have none: what v1beta1 and v1beta2 mean if a service
// that has a selector leaves its containerPort out. No port has that name.
const FirstPort = "*"
