package codec

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/registry"
)

// What there is most of is read quickly where it is in today's version and
// written as usual: services and endpoints. The names of each object are those
// that the types in v1.go and groups.go have; one that is listed but not read
// makes the scanner odd.

// quick reads a value; nil for one that is not of a kind, a version or a style
// that can be read quickly.
func (c *conversion) quick(value []byte) *source {
	s := &scanner{in: value}
	var o metav1.Object
	var is typeJSON
	switch c.ref.Kind {
	case registry.KindService:
		o = s.service(&is)
	case registry.KindEndpoints:
		o = s.endpoints(&is)
	case registry.KindEndpointSlice:
		o = s.endpointSlice(&is)
	default:
		return nil
	}
	s.end()
	version := versionsOf(c.ref.Kind)[0]
	if s.odd || !is.is(c.ref.Kind, version) {
		return nil
	}
	return &source{typed: o, version: version}
}

// top reads a field that all objects have.
func (s *scanner) top(name string, is *typeJSON, meta *metav1.ObjectMeta) {
	switch name {
	case "kind":
		is.Kind = s.text()
	case "apiVersion":
		is.APIVersion = s.text()
	case "metadata":
		s.metadata(meta)
	default:
		s.odd = true
	}
}

var metadataFields = []string{"uid", "labels", "annotations", "deletionTimestamp"}

func (s *scanner) metadata(m *metav1.ObjectMeta) {
	s.object(metadataFields, func(name string) {
		switch name {
		case "uid":
			m.UID = types.UID(s.text())
		case "labels":
			m.Labels = s.texts()
		case "annotations":
			m.Annotations = s.texts()
		default:
			s.odd = true
		}
	})
}

var serviceFields = []string{"kind", "apiVersion", "metadata", "spec", "status"}

func (s *scanner) service(is *typeJSON) *corev1.Service {
	o := &corev1.Service{}
	s.object(serviceFields, func(name string) {
		switch name {
		case "spec":
			s.serviceSpec(&o.Spec)
		case "status":
			s.noLoadBalancer()
		default:
			s.top(name, is, &o.ObjectMeta)
		}
	})
	return o
}

var (
	statusFields       = []string{"loadBalancer"}
	loadBalancerFields = []string{"ingress"}
)

// noLoadBalancer reads the status of a service that no load balancer serves.
func (s *scanner) noLoadBalancer() {
	s.object(statusFields, func(string) {
		s.object(loadBalancerFields, func(string) { s.odd = true })
	})
}

var serviceSpecFields = []string{
	"ports", "selector", "clusterIP", "clusterIPs", "type", "externalIPs", "sessionAffinity", "ipFamilies",
	"ipFamilyPolicy", "internalTrafficPolicy", "externalTrafficPolicy", "publishNotReadyAddresses",
	"trafficDistribution", "externalName",
	// What follows is rare.
	"loadBalancerIP", "loadBalancerSourceRanges", "healthCheckNodePort", "sessionAffinityConfig",
	"loadBalancerClass", "allocateLoadBalancerNodePorts",
	"portalIP", "createExternalLoadBalancer", "publicIPs", "deprecatedPublicIPs",
}

func (s *scanner) serviceSpec(o *corev1.ServiceSpec) {
	s.object(serviceSpecFields, func(name string) {
		switch name {
		case "ports":
			s.array(func() { o.Ports = append(o.Ports, s.servicePort()) })
		case "selector":
			o.Selector = s.texts()
		case "clusterIP":
			o.ClusterIP = s.text()
		case "clusterIPs":
			o.ClusterIPs = stringsOf[string](s)
		case "type":
			o.Type = corev1.ServiceType(s.text())
		case "externalIPs":
			o.ExternalIPs = stringsOf[string](s)
		case "sessionAffinity":
			o.SessionAffinity = corev1.ServiceAffinity(s.text())
		case "ipFamilies":
			o.IPFamilies = stringsOf[corev1.IPFamily](s)
		case "ipFamilyPolicy":
			o.IPFamilyPolicy = new(corev1.IPFamilyPolicy(s.text()))
		case "internalTrafficPolicy":
			o.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicy(s.text()))
		case "externalTrafficPolicy":
			o.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicy(s.text())
		case "publishNotReadyAddresses":
			o.PublishNotReadyAddresses = s.truth()
		case "trafficDistribution":
			o.TrafficDistribution = new(s.text())
		case "externalName":
			o.ExternalName = s.text()
		default:
			s.odd = true
		}
	})
}

var servicePortFields = []string{"name", "protocol", "port", "targetPort", "nodePort", "appProtocol"}

func (s *scanner) servicePort() (p corev1.ServicePort) {
	s.object(servicePortFields, func(name string) {
		switch name {
		case "name":
			p.Name = s.text()
		case "protocol":
			p.Protocol = corev1.Protocol(s.text())
		case "port":
			p.Port = s.number()
		case "targetPort":
			p.TargetPort = s.intOrString()
		case "nodePort":
			p.NodePort = s.number()
		case "appProtocol":
			p.AppProtocol = new(s.text())
		}
	})
	return p
}

func (s *scanner) intOrString() intstr.IntOrString {
	if s.peek() == '"' {
		return intstr.FromString(s.text())
	}
	return intstr.FromInt32(s.number())
}

var endpointsFields = []string{"kind", "apiVersion", "metadata", "subsets"}

func (s *scanner) endpoints(is *typeJSON) *corev1.Endpoints {
	o := &corev1.Endpoints{}
	s.object(endpointsFields, func(name string) {
		if name == "subsets" {
			s.array(func() { o.Subsets = append(o.Subsets, s.subset()) })
		} else {
			s.top(name, is, &o.ObjectMeta)
		}
	})
	return o
}

var subsetFields = []string{"addresses", "notReadyAddresses", "ports"}

func (s *scanner) subset() (o corev1.EndpointSubset) {
	s.object(subsetFields, func(name string) {
		switch name {
		case "addresses":
			s.array(func() { o.Addresses = append(o.Addresses, s.address()) })
		case "notReadyAddresses":
			s.array(func() { o.NotReadyAddresses = append(o.NotReadyAddresses, s.address()) })
		case "ports":
			s.array(func() { o.Ports = append(o.Ports, s.endpointPort()) })
		}
	})
	return o
}

var addressFields = []string{"ip", "hostname", "nodeName", "targetRef"}

func (s *scanner) address() (a corev1.EndpointAddress) {
	s.object(addressFields, func(name string) {
		switch name {
		case "ip":
			a.IP = s.text()
		case "hostname":
			a.Hostname = s.text()
		case "nodeName":
			a.NodeName = new(s.text())
		case "targetRef":
			a.TargetRef = s.reference()
		}
	})
	return a
}

var endpointPortFields = []string{"name", "protocol", "port", "appProtocol"}

func (s *scanner) endpointPort() (p corev1.EndpointPort) {
	s.object(endpointPortFields, func(name string) {
		switch name {
		case "name":
			p.Name = s.text()
		case "protocol":
			p.Protocol = corev1.Protocol(s.text())
		case "port":
			p.Port = s.number()
		case "appProtocol":
			p.AppProtocol = new(s.text())
		}
	})
	return p
}

var referenceFields = []string{"kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"}

func (s *scanner) reference() *corev1.ObjectReference {
	r := &corev1.ObjectReference{}
	s.object(referenceFields, func(name string) {
		text := s.text()
		switch name {
		case "kind":
			r.Kind = text
		case "namespace":
			r.Namespace = text
		case "name":
			r.Name = text
		}
	})
	return r
}

var sliceFields = []string{"kind", "apiVersion", "metadata", "addressType", "endpoints", "ports"}

func (s *scanner) endpointSlice(is *typeJSON) *discoveryv1.EndpointSlice {
	o := &discoveryv1.EndpointSlice{}
	s.object(sliceFields, func(name string) {
		switch name {
		case "addressType":
			o.AddressType = discoveryv1.AddressType(s.text())
		case "endpoints":
			s.array(func() { o.Endpoints = append(o.Endpoints, s.endpoint()) })
		case "ports":
			s.array(func() { o.Ports = append(o.Ports, s.slicePort()) })
		default:
			s.top(name, is, &o.ObjectMeta)
		}
	})
	return o
}

var sliceEndpointFields = []string{
	"addresses", "conditions", "hostname", "targetRef", "nodeName", "zone", "hints", "deprecatedTopology",
}

func (s *scanner) endpoint() (e discoveryv1.Endpoint) {
	s.object(sliceEndpointFields, func(name string) {
		switch name {
		case "addresses":
			e.Addresses = stringsOf[string](s)
		case "conditions":
			s.conditions(&e.Conditions)
		case "hostname":
			e.Hostname = new(s.text())
		case "targetRef":
			e.TargetRef = s.reference()
		case "nodeName":
			e.NodeName = new(s.text())
		case "zone":
			e.Zone = new(s.text())
		default:
			s.odd = true
		}
	})
	return e
}

var conditionsFields = []string{"ready", "serving", "terminating"}

func (s *scanner) conditions(c *discoveryv1.EndpointConditions) {
	s.object(conditionsFields, func(name string) {
		is := new(s.truth())
		switch name {
		case "ready":
			c.Ready = is
		case "serving":
			c.Serving = is
		case "terminating":
			c.Terminating = is
		}
	})
}

func (s *scanner) slicePort() (p discoveryv1.EndpointPort) {
	s.object(endpointPortFields, func(name string) {
		switch name {
		case "name":
			p.Name = new(s.text())
		case "protocol":
			p.Protocol = new(corev1.Protocol(s.text()))
		case "port":
			p.Port = new(s.number())
		case "appProtocol":
			p.AppProtocol = new(s.text())
		}
	})
	return p
}
