package codec

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/registry"
)

// headless is the portal IP of a service that has none on purpose.
const headless = "None"

// tolerateUnready is the annotation that publishNotReadyAddresses was before
// it became a field.
const tolerateUnready = "service.alpha.kubernetes.io/tolerate-unready-endpoints"

// second is the unit of a time.Duration, for a package that imports no clock.
const second = registry.DefaultAffinityTimeout / 10800

// times returns n units.
func times[D ~int64](n int32, unit D) D { return D(n) * unit }

func (c *conversion) service(meta registry.Meta, o *corev1.Service) *registry.Service {
	s := &registry.Service{
		Meta:                meta,
		Type:                registry.ServiceType(o.Spec.Type),
		PublicIPs:           c.addrs("spec.externalIPs", o.Spec.ExternalIPs),
		SourceRanges:        c.prefixes("spec.loadBalancerSourceRanges", o.Spec.LoadBalancerSourceRanges),
		ExternalName:        o.Spec.ExternalName,
		Selector:            o.Spec.Selector,
		ExternalLocal:       o.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal,
		HealthCheckNodePort: c.optionalPort(at("spec.healthCheckNodePort"), o.Spec.HealthCheckNodePort),
		PublishNotReady:     o.Spec.PublishNotReadyAddresses || o.Annotations[tolerateUnready] == "true",
		Conditions:          conditionsOf(o.Status.Conditions),
	}
	if s.Type == "" {
		s.Type = registry.ClusterIP
	}
	if p := o.Spec.InternalTrafficPolicy; p != nil {
		s.InternalLocal = *p == corev1.ServiceInternalTrafficPolicyLocal
	}
	if d := o.Spec.TrafficDistribution; d != nil {
		s.TrafficDistribution = *d
	}
	c.portalIPs(s, o)
	readFamily(s, &o.Spec)
	c.loadBalancer(s, o)
	c.affinity(s, o)
	for i := range o.Spec.Ports {
		s.Ports = append(s.Ports, c.servicePort("spec.ports", i, &o.Spec.Ports[i]))
		if c.firstPort && s.Ports[i].TargetPort == "" {
			s.Ports[i].TargetPort = registry.FirstPort
		}
	}
	return s
}

// portalIPs reads clusterIP, which came first, and clusterIPs, which repeats
// it and may hold one of the other family.
func (c *conversion) portalIPs(s *registry.Service, o *corev1.Service) {
	if o.Spec.ClusterIP == "" && len(o.Spec.ClusterIPs) > 0 {
		c.portalList(s, "spec.clusterIPs", o.Spec.ClusterIPs)
		return
	}
	if o.Spec.ClusterIP != "" {
		c.portalList(s, "spec.clusterIP", []string{o.Spec.ClusterIP})
	}
	if len(o.Spec.ClusterIPs) > 0 && !s.Headless {
		c.portalList(s, "spec.clusterIPs", o.Spec.ClusterIPs)
	}
}

func (c *conversion) portalList(s *registry.Service, path string, texts []string) {
	for i, text := range texts {
		if strings.EqualFold(text, headless) {
			s.Headless, s.PortalIPs = true, nil
			return
		}
		where := at(path)
		if path == "spec.clusterIPs" {
			where = in(path, i, "")
		}
		if a := c.addr(where, text); a.IsValid() && !slices.Contains(s.PortalIPs, a) {
			s.PortalIPs = append(s.PortalIPs, a)
		}
	}
}

// readFamily reads of which single family a headless service is. Those of
// others can be seen from their portal IPs.
func readFamily(s *registry.Service, spec *corev1.ServiceSpec) {
	if p := spec.IPFamilyPolicy; !s.Headless || len(spec.IPFamilies) != 1 || p != nil && *p != corev1.IPFamilyPolicySingleStack {
		return
	}
	s.OnlyIPv4, s.OnlyIPv6 = spec.IPFamilies[0] == corev1.IPv4Protocol, spec.IPFamilies[0] == corev1.IPv6Protocol
}

// loadBalancer reads the addresses that a load balancer gave. Those of mode
// Proxy end at the balancer and are not for nodes to answer.
func (c *conversion) loadBalancer(s *registry.Service, o *corev1.Service) {
	for i, ingress := range o.Status.LoadBalancer.Ingress {
		if ingress.IP == "" || ingress.IPMode != nil && *ingress.IPMode == corev1.LoadBalancerIPModeProxy {
			continue
		}
		a := c.addr(in("status.loadBalancer.ingress", i, ".ip"), ingress.IP)
		if a.IsValid() && !slices.Contains(s.LoadBalancerIPs, a) {
			s.LoadBalancerIPs = append(s.LoadBalancerIPs, a)
		}
	}
}

func (c *conversion) affinity(s *registry.Service, o *corev1.Service) {
	if o.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return
	}
	s.AffinityTimeout = registry.DefaultAffinityTimeout
	config := o.Spec.SessionAffinityConfig
	if config == nil || config.ClientIP == nil || config.ClientIP.TimeoutSeconds == nil {
		return
	}
	seconds := *config.ClientIP.TimeoutSeconds
	if seconds < 1 || seconds > 86400 {
		c.fail("spec.sessionAffinityConfig.clientIP.timeoutSeconds", strconv.Itoa(int(seconds)), "1 to 86400")
		return
	}
	s.AffinityTimeout = times(seconds, second)
}

func (c *conversion) servicePort(list string, i int, p *corev1.ServicePort) registry.Port {
	return registry.Port{
		Name:       p.Name,
		Protocol:   protocol(p.Protocol),
		Port:       c.port(in(list, i, ".port"), p.Port),
		TargetPort: c.targetPort(in(list, i, ".targetPort"), p.TargetPort),
		NodePort:   c.optionalPort(in(list, i, ".nodePort"), p.NodePort),
	}
}

// targetPort reads a port number or name. Zero and "" mean the service's own
// port. A number may stand in a string.
func (c *conversion) targetPort(where place, p intstr.IntOrString) string {
	if p.Type == intstr.String {
		if !isNumber(p.StrVal) {
			return p.StrVal
		}
		if p.StrVal == "" {
			return ""
		}
		number, err := strconv.ParseUint(p.StrVal, 10, 16)
		if err != nil {
			c.fail(where.String(), p.StrVal, wantPort)
			return ""
		}
		p.IntVal = int32(number)
	}
	if number := c.optionalPort(where, p.IntVal); number != 0 {
		return strconv.Itoa(int(number))
	}
	return ""
}
