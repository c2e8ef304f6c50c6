// Package kube makes the objects that a Kubernetes cluster would have for a
// fleet, with all that a real one carries along: labels, owners, managed
// fields, nodes, zones and pods. What a server has to read and skip is part of
// what is measured.
package kube

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/bench/fleet"
)

// Object is a Kubernetes object that can be written as protobuf.
type Object interface {
	runtime.Object
	metav1.Object
	Marshal() ([]byte, error)
}

// created is when all objects were made. Nothing depends on it.
var created = metav1.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

// Objects returns the objects of a fleet: namespaces, services, slices, and
// pods if they are wanted.
func Objects(f fleet.Fleet, pods bool) []Object {
	var list []Object
	for _, name := range f.Namespaces() {
		list = append(list, Namespace(name))
	}
	for s := range f.All() {
		list = append(list, Service(s), Slice(s))
		for i := range s.Endpoints {
			if pods {
				list = append(list, Pod(s, i))
			}
		}
	}
	return list
}

// Namespace returns a namespace.
func Namespace(name string) *corev1.Namespace {
	labels := map[string]string{"kubernetes.io/metadata.name": name}
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: meta(name, "", "namespace", labels, "kubectl-create", namespaceFields),
		Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
}

// Service returns a service as an apiserver has it after `kubectl apply`.
func Service(s fleet.Service) *corev1.Service {
	labels := map[string]string{"app.kubernetes.io/name": s.Name}
	o := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(s.Name, s.Namespace, "service", labels, "kubectl", serviceFields),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: labels,
			Ports: []corev1.ServicePort{{
				Name: fleet.PortName, Protocol: corev1.ProtocolTCP, Port: fleet.Port, TargetPort: intstr.FromInt32(fleet.Port),
			}},
			SessionAffinity:       corev1.ServiceAffinityNone,
			IPFamilyPolicy:        new(corev1.IPFamilyPolicySingleStack),
			IPFamilies:            []corev1.IPFamily{corev1.IPv4Protocol},
			InternalTrafficPolicy: new(corev1.ServiceInternalTrafficPolicyCluster),
		},
	}
	for _, a := range s.Portals {
		o.Spec.ClusterIPs = append(o.Spec.ClusterIPs, a.String())
	}
	if s.Headless {
		o.Spec.ClusterIPs = []string{corev1.ClusterIPNone}
	}
	if len(s.Portals) > 1 {
		o.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyPreferDualStack)
		o.Spec.IPFamilies = append(o.Spec.IPFamilies, corev1.IPv6Protocol)
	}
	o.Spec.ClusterIP = o.Spec.ClusterIPs[0]
	return o
}

// Slice returns the service's EndpointSlice, as the controller of a cluster
// makes it.
func Slice(s fleet.Service) *discoveryv1.EndpointSlice {
	labels := map[string]string{
		"app.kubernetes.io/name":     s.Name,
		discoveryv1.LabelServiceName: s.Name,
		discoveryv1.LabelManagedBy:   "endpointslice-controller.k8s.io",
	}
	if s.Headless {
		labels[corev1.IsHeadlessService] = ""
	}
	o := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  meta(s.Name+"-x7k2p", s.Namespace, "slice", labels, "kube-controller-manager", sliceFields),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{
			Name: new(fleet.PortName), Protocol: new(corev1.ProtocolTCP), Port: new(int32(fleet.Port)),
		}},
	}
	o.GenerateName = s.Name + "-"
	o.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: created.Format(time.RFC3339)}
	o.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "v1", Kind: "Service", Name: s.Name, UID: uid("service", s.Namespace, s.Name),
		Controller: new(true), BlockOwnerDeletion: new(true),
	}}
	for i, a := range s.Endpoints {
		o.Endpoints = append(o.Endpoints, endpoint(s, i, a.String()))
	}
	return o
}

func endpoint(s fleet.Service, i int, address string) discoveryv1.Endpoint {
	pod := s.PodName(i)
	return discoveryv1.Endpoint{
		Addresses: []string{address},
		Conditions: discoveryv1.EndpointConditions{
			Ready: new(true), Serving: new(true), Terminating: new(false),
		},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: s.Namespace, Name: pod, UID: uid("pod", s.Namespace, pod)},
		NodeName:  new(node(s, i)),
		Zone:      new("zone-" + string(rune('a'+i%3))),
	}
}

// node returns the node that an endpoint runs on.
func node(s fleet.Service, endpoint int) string {
	return fmt.Sprintf("node-%03d", (s.Index+endpoint)%250)
}

func meta(name, namespace, kind string, labels map[string]string, manager, fields string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:              name,
		Namespace:         namespace,
		UID:               uid(kind, namespace, name),
		Generation:        1,
		CreationTimestamp: created,
		Labels:            labels,
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &created,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}},
	}
}

// uid returns what looks like an object's UID and is the same in every run.
func uid(kind, namespace, name string) types.UID {
	h := hash(kind + "/" + namespace + "/" + name)
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(h), uint16(h>>32), h>>48&0xfff, h>>52&0xfff, h&0xffffffffffff))
}
