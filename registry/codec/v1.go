package codec

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
)

// newNested returns the shape that a kind has in v1beta3, v1, and today's API
// groups. A field that one of them renamed is read under both names.
func newNested(k registry.Kind, version string) nestedWire {
	switch k {
	case registry.KindService:
		return &serviceV1{}
	case registry.KindEndpoints:
		return &endpointsV1{}
	case registry.KindPod:
		return &podV1{}
	case registry.KindNode:
		return &nodeV1{}
	case registry.KindNamespace:
		return &namespaceV1{}
	case registry.KindServiceCIDR:
		return &serviceCIDRV1{}
	case registry.KindIPAddress:
		return &ipAddressV1{}
	case registry.KindEndpointSlice:
		if version == discoveryV1beta1 {
			return &endpointSliceV1beta1{}
		}
		return &endpointSliceV1{}
	}
	return nil
}

type serviceV1 struct {
	typeJSON
	Metadata metaJSON `json:"metadata"`
	Spec     struct {
		corev1.ServiceSpec
		olderServiceSpec
	} `json:"spec"`
	Status struct {
		LoadBalancer corev1.LoadBalancerStatus `json:"loadBalancer"`
		conditionsJSON
	} `json:"status"`
}

func (w *serviceV1) read(*conversion) metav1.Object {
	o := &corev1.Service{ObjectMeta: w.Metadata.typed(), Spec: w.Spec.ServiceSpec}
	o.Status.LoadBalancer, o.Status.Conditions = w.Status.LoadBalancer, w.Status.Conditions.value
	w.Spec.olderServiceSpec.apply(&o.Spec)
	return o
}

type endpointsV1 struct {
	typeJSON
	Metadata metaJSON                `json:"metadata"`
	Subsets  []corev1.EndpointSubset `json:"subsets"`
}

func (w *endpointsV1) read(*conversion) metav1.Object {
	return &corev1.Endpoints{ObjectMeta: w.Metadata.typed(), Subsets: w.Subsets}
}

// containerJSON is a container in all versions.
type containerJSON struct {
	Ports []corev1.ContainerPort `json:"ports"`
}

func containers(list []containerJSON) []corev1.Container {
	typed := make([]corev1.Container, len(list))
	for i := range list {
		typed[i].Ports = list[i].Ports
	}
	return typed
}

// conditionJSON is a condition in v1; the other fields don't matter.
type conditionJSON struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

type podV1 struct {
	typeJSON
	Metadata metaJSON `json:"metadata"`
	Spec     struct {
		NodeName   string          `json:"nodeName"`
		Host       string          `json:"host"` // v1beta3
		Containers []containerJSON `json:"containers"`
		Hostname   string          `json:"hostname"`
		Subdomain  string          `json:"subdomain"`
	} `json:"spec"`
	Status struct {
		Phase      corev1.PodPhase `json:"phase"`
		Conditions []conditionJSON `json:"conditions"`
		HostIP     string          `json:"hostIP"`
		PodIP      string          `json:"podIP"`
		PodIPs     []corev1.PodIP  `json:"podIPs"`
	} `json:"status"`
}

func (w *podV1) read(*conversion) metav1.Object {
	o := &corev1.Pod{ObjectMeta: w.Metadata.typed()}
	o.Spec.NodeName = w.Spec.NodeName
	if o.Spec.NodeName == "" {
		o.Spec.NodeName = w.Spec.Host
	}
	o.Spec.Containers = containers(w.Spec.Containers)
	o.Spec.Hostname, o.Spec.Subdomain = w.Spec.Hostname, w.Spec.Subdomain
	o.Status = corev1.PodStatus{
		Phase: w.Status.Phase, HostIP: w.Status.HostIP, PodIP: w.Status.PodIP, PodIPs: w.Status.PodIPs,
	}
	for _, c := range w.Status.Conditions {
		o.Status.Conditions = append(o.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodConditionType(c.Type), Status: corev1.ConditionStatus(c.Status),
		})
	}
	return o
}

// taintJSON is a taint; the other fields don't matter.
type taintJSON struct {
	Key string `json:"key"`
}

type nodeV1 struct {
	typeJSON
	Metadata metaJSON `json:"metadata"`
	Spec     struct {
		Taints []taintJSON `json:"taints"`
	} `json:"spec"`
	Status struct {
		Addresses  []corev1.NodeAddress `json:"addresses"`
		Conditions []conditionJSON      `json:"conditions"`
	} `json:"status"`
}

func (w *nodeV1) read(*conversion) metav1.Object {
	o := &corev1.Node{ObjectMeta: w.Metadata.typed()}
	o.Status.Addresses = w.Status.Addresses
	for _, t := range w.Spec.Taints {
		o.Spec.Taints = append(o.Spec.Taints, corev1.Taint{Key: t.Key})
	}
	for _, c := range w.Status.Conditions {
		o.Status.Conditions = append(o.Status.Conditions, corev1.NodeCondition{
			Type: corev1.NodeConditionType(c.Type), Status: corev1.ConditionStatus(c.Status),
		})
	}
	return o
}

type namespaceV1 struct {
	typeJSON
	Metadata metaJSON `json:"metadata"`
}

func (w *namespaceV1) read(*conversion) metav1.Object {
	return &corev1.Namespace{ObjectMeta: w.Metadata.typed()}
}
