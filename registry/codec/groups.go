package codec

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type endpointSliceV1 struct {
	typeJSON
	Metadata    metaJSON                   `json:"metadata"`
	AddressType discoveryv1.AddressType    `json:"addressType"`
	Endpoints   []discoveryv1.Endpoint     `json:"endpoints"`
	Ports       []discoveryv1.EndpointPort `json:"ports"`
}

func (w *endpointSliceV1) read(*conversion) metav1.Object {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: w.Metadata.typed(), AddressType: w.AddressType, Endpoints: w.Endpoints, Ports: w.Ports,
	}
}

type endpointSliceV1beta1 struct {
	typeJSON
	Metadata    metaJSON                        `json:"metadata"`
	AddressType discoveryv1beta1.AddressType    `json:"addressType"`
	Endpoints   []discoveryv1beta1.Endpoint     `json:"endpoints"`
	Ports       []discoveryv1beta1.EndpointPort `json:"ports"`
}

func (w *endpointSliceV1beta1) read(*conversion) metav1.Object {
	return endpointSliceFromV1beta1(&discoveryv1beta1.EndpointSlice{
		ObjectMeta: w.Metadata.typed(), AddressType: w.AddressType, Endpoints: w.Endpoints, Ports: w.Ports,
	})
}

// endpointSliceFromV1beta1 returns what a slice is in v1, where zone and node
// are no longer part of a topology map.
func endpointSliceFromV1beta1(o *discoveryv1beta1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: o.ObjectMeta, AddressType: discoveryv1.AddressType(o.AddressType)}
	for _, e := range o.Endpoints {
		typed := discoveryv1.Endpoint{
			Addresses: e.Addresses, Conditions: discoveryv1.EndpointConditions(e.Conditions),
			Hostname: e.Hostname, TargetRef: e.TargetRef, NodeName: e.NodeName,
		}
		if zone, ok := e.Topology[corev1.LabelTopologyZone]; ok {
			typed.Zone = &zone
		}
		if node, ok := e.Topology[corev1.LabelHostname]; ok && typed.NodeName == nil {
			typed.NodeName = &node
		}
		slice.Endpoints = append(slice.Endpoints, typed)
	}
	for _, p := range o.Ports {
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort(p))
	}
	return slice
}

type serviceCIDRV1 struct {
	typeJSON
	Metadata metaJSON                     `json:"metadata"`
	Spec     networkingv1.ServiceCIDRSpec `json:"spec"`
}

func (w *serviceCIDRV1) read(*conversion) metav1.Object {
	return &networkingv1.ServiceCIDR{ObjectMeta: w.Metadata.typed(), Spec: w.Spec}
}

type ipAddressV1 struct {
	typeJSON
	Metadata metaJSON                   `json:"metadata"`
	Spec     networkingv1.IPAddressSpec `json:"spec"`
}

func (w *ipAddressV1) read(*conversion) metav1.Object {
	return &networkingv1.IPAddress{ObjectMeta: w.Metadata.typed(), Spec: w.Spec}
}

// today returns an object as today's version of its API group has it.
func today(o metav1.Object) metav1.Object {
	switch o := o.(type) {
	case *discoveryv1beta1.EndpointSlice:
		return endpointSliceFromV1beta1(o)
	case *networkingv1beta1.ServiceCIDR:
		return &networkingv1.ServiceCIDR{ObjectMeta: o.ObjectMeta, Spec: networkingv1.ServiceCIDRSpec{CIDRs: o.Spec.CIDRs}}
	case *networkingv1beta1.IPAddress:
		return &networkingv1.IPAddress{
			ObjectMeta: o.ObjectMeta,
			Spec:       networkingv1.IPAddressSpec{ParentRef: (*networkingv1.ParentReference)(o.Spec.ParentRef)},
		}
	}
	return o
}
