package codec

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/registry"
)

// newFlat returns the shape that a kind has in v1beta1 and v1beta2, which put
// metadata and most of spec at the top level.
func newFlat(k registry.Kind) wire {
	switch k {
	case registry.KindService:
		return &serviceV1beta1{}
	case registry.KindEndpoints:
		return &endpointsV1beta1{}
	case registry.KindPod:
		return &podV1beta1{}
	case registry.KindNode:
		return &minionV1beta1{}
	case registry.KindNamespace:
		return &namespaceV1beta1{}
	}
	return nil
}

type serviceV1beta1 struct {
	metaJSON
	servicePortV1beta1
	PortName                   string               `json:"portName"`
	Ports                      []servicePortV1beta1 `json:"ports"`
	Selector                   map[string]string    `json:"selector"`
	PortalIP                   string               `json:"portalIP"`
	PublicIPs                  []string             `json:"publicIPs"`
	CreateExternalLoadBalancer bool                 `json:"createExternalLoadBalancer"`
	SessionAffinity            string               `json:"sessionAffinity"`
	// Status is none that these versions had; see SetCondition.
	Status optional[conditionsJSON] `json:"status"`
}

// servicePortV1beta1 is a port, in the list or at the service's top level.
type servicePortV1beta1 struct {
	Name          string             `json:"name"`
	Protocol      corev1.Protocol    `json:"protocol"`
	Port          int32              `json:"port"`
	ContainerPort intstr.IntOrString `json:"containerPort"`
}

func (w *serviceV1beta1) read(c *conversion) metav1.Object {
	o := &corev1.Service{ObjectMeta: w.typed()}
	o.Spec = corev1.ServiceSpec{
		Selector:        w.Selector,
		ClusterIP:       w.PortalIP,
		ExternalIPs:     w.PublicIPs,
		SessionAffinity: corev1.ServiceAffinity(w.SessionAffinity),
	}
	if w.CreateExternalLoadBalancer {
		o.Spec.Type = corev1.ServiceTypeLoadBalancer
	}
	o.Status.Conditions = w.Status.value.Conditions.value
	ports := w.Ports
	if len(ports) == 0 {
		c.naming = flatPortName
		ports = w.onePort()
		c.firstPort = w.Selector != nil
	}
	for _, p := range ports {
		o.Spec.Ports = append(o.Spec.Ports, corev1.ServicePort{
			Name: p.Name, Protocol: p.Protocol, Port: p.Port, TargetPort: p.ContainerPort,
		})
	}
	return o
}

// onePort returns the port that stands at the top level, if any does.
func (w *serviceV1beta1) onePort() []servicePortV1beta1 {
	if w.Port == 0 && w.PortName == "" && w.Protocol == "" {
		return nil
	}
	p := w.servicePortV1beta1
	p.Name = w.PortName
	return []servicePortV1beta1{p}
}

type endpointsV1beta1 struct {
	metaJSON
	Protocol   corev1.Protocol         `json:"protocol"`
	Endpoints  []string                `json:"endpoints"`
	TargetRefs []endpointTargetRef     `json:"targetRefs"`
	Subsets    []corev1.EndpointSubset `json:"subsets"`
}

// endpointTargetRef says which object stands behind an "ip:port".
type endpointTargetRef struct {
	Endpoint  string                 `json:"endpoint"`
	TargetRef corev1.ObjectReference `json:"targetRef"`
}

func (w *endpointsV1beta1) read(c *conversion) metav1.Object {
	o := &corev1.Endpoints{ObjectMeta: w.typed(), Subsets: w.Subsets}
	if len(w.Subsets) > 0 {
		return o
	}
	c.naming = flatEndpointName
	targets := map[string]*corev1.ObjectReference{}
	for i := range w.TargetRefs {
		targets[w.TargetRefs[i].Endpoint] = &w.TargetRefs[i].TargetRef
	}
	for i, text := range w.Endpoints {
		address, port, err := splitEndpoint(text)
		if err != nil {
			c.fail(index("endpoints", i), text, err.Error())
			continue
		}
		o.Subsets = append(o.Subsets, corev1.EndpointSubset{
			Addresses: []corev1.EndpointAddress{{IP: address, TargetRef: targets[text]}},
			Ports:     []corev1.EndpointPort{{Port: port, Protocol: w.Protocol}},
		})
	}
	return o
}

// splitEndpoint splits "ip:port", "[ip]:port" or "name:port". The error says
// what was expected.
func splitEndpoint(text string) (address string, port int32, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 1 {
		return "", 0, fmt.Errorf("address:port, such as 192.0.2.1:80")
	}
	number, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("a port of %s after the colon", wantPort)
	}
	address = text[:i]
	if inner, ok := strings.CutPrefix(address, "["); ok {
		address, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(address, ":") {
			return "", 0, fmt.Errorf("an IPv6 address in brackets, such as [2001:db8::1]:80")
		}
	} else if strings.Contains(address, ":") {
		return "", 0, fmt.Errorf("brackets around an IPv6 address, such as [2001:db8::1]:80")
	}
	return address, int32(number), nil
}

type namespaceV1beta1 struct{ metaJSON }

func (w *namespaceV1beta1) read(*conversion) metav1.Object {
	return &corev1.Namespace{ObjectMeta: w.typed()}
}
