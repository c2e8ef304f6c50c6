package apiserver

import (
	"encoding/json"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
)

// The versions of the API before v1. Objects can be read in them, by the
// clients of 2014 and 2015: with v1beta3's few other names, or in the flat
// shape of v1beta1 and v1beta2. What v1 has since then is left out.
const (
	v1beta1 = "v1beta1"
	v1beta2 = "v1beta2"
	v1beta3 = "v1beta3"
)

func isFlat(version string) bool { return version == v1beta1 || version == v1beta2 }

// jsonObject is an object as JSON.
type jsonObject map[string]any

// content returns an object of the registry in the version that is asked for.
func (t *target) content(o registry.Object) (any, error) {
	typed, err := t.typed(o)
	switch {
	case err != nil || t.version == "v1":
		return typed, err
	case isFlat(t.version):
		return t.flat(typed), nil
	}
	return t.nested(typed)
}

// nested returns an object as v1beta3 has it.
func (t *target) nested(typed object) (jsonObject, error) {
	f := jsonObject{}
	text, err := json.Marshal(typed)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	f["apiVersion"] = t.version
	switch o := typed.(type) {
	case *corev1.Service:
		f["spec"] = nestedSpec(&o.Spec)
	case *corev1.Endpoints:
		f["subsets"] = oldSubsets(o.Subsets)
	}
	return f, err
}

func nestedSpec(spec *corev1.ServiceSpec) jsonObject {
	f := jsonObject{"ports": spec.Ports, "type": spec.Type, "portalIP": spec.ClusterIP, "sessionAffinity": spec.SessionAffinity}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		f["createExternalLoadBalancer"] = true
	}
	if spec.Selector != nil {
		f["selector"] = spec.Selector
	}
	if len(spec.ExternalIPs) > 0 {
		f["publicIPs"] = spec.ExternalIPs
	}
	return f
}

// oldSubsets returns subsets as they were before v1: an address was an IP, and
// none of them not ready.
func oldSubsets(subsets []corev1.EndpointSubset) []jsonObject {
	list := []jsonObject{}
	for _, s := range subsets {
		addresses := []jsonObject{}
		for _, a := range s.Addresses {
			address := jsonObject{"IP": a.IP}
			if a.TargetRef != nil {
				address["targetRef"] = a.TargetRef
			}
			addresses = append(addresses, address)
		}
		list = append(list, jsonObject{"addresses": addresses, "ports": s.Ports})
	}
	return list
}

// flat returns an object as v1beta1 and v1beta2 have it.
func (t *target) flat(typed object) jsonObject {
	f := jsonObject{}
	switch o := typed.(type) {
	case *corev1.Service:
		f = flatService(&o.Spec)
		if len(o.Status.Conditions) > 0 { // which is where they are stored in these versions, too
			f["status"] = jsonObject{"conditions": o.Status.Conditions}
		}
	case *corev1.Endpoints:
		f = flatEndpoints(o)
	case *corev1.Pod:
		f = flatPod(o)
	case *corev1.Node:
		f = jsonObject{"status": jsonObject{"addresses": o.Status.Addresses, "conditions": flatNodeConditions(o)}}
	case *corev1.Namespace:
		f = jsonObject{"spec": o.Spec, "status": o.Status}
	}
	f["kind"], f["apiVersion"], f["id"] = t.kindName(), t.version, typed.GetName()
	f["resourceVersion"] = number(typed.GetResourceVersion())
	if created := typed.GetCreationTimestamp(); !created.IsZero() {
		f["creationTimestamp"] = created
	}
	for name, text := range map[string]string{"namespace": typed.GetNamespace(), "uid": string(typed.GetUID())} {
		if text != "" {
			f[name] = text
		}
	}
	for name, set := range map[string]map[string]string{"labels": typed.GetLabels(), "annotations": typed.GetAnnotations()} {
		if len(set) > 0 {
			f[name] = set
		}
	}
	return f
}

// number returns a resourceVersion as the flat versions have it.
func number(version string) int64 {
	n, _ := strconv.ParseInt(version, 10, 64) // we wrote it; empty is zero
	return n
}

// flatService returns a service's fields. The first port stands at the top as
// well, where v1beta1 had only one.
func flatService(spec *corev1.ServiceSpec) jsonObject {
	f := jsonObject{"portalIP": spec.ClusterIP, "sessionAffinity": spec.SessionAffinity}
	ports := []jsonObject{}
	for _, p := range spec.Ports {
		ports = append(ports, jsonObject{"name": p.Name, "protocol": p.Protocol, "port": p.Port, "containerPort": p.TargetPort})
	}
	f["ports"] = ports
	if len(spec.Ports) > 0 {
		first := &spec.Ports[0]
		f["port"], f["protocol"], f["containerPort"] = first.Port, first.Protocol, first.TargetPort
		if first.Name != "" {
			f["portName"] = first.Name
		}
	}
	if spec.Selector != nil {
		f["selector"] = spec.Selector
	}
	if len(spec.ExternalIPs) > 0 {
		f["publicIPs"] = spec.ExternalIPs
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		f["createExternalLoadBalancer"] = true
	}
	return f
}

// flatEndpoints returns the subsets, and their addresses with the first port of
// each subset, which is all that the earliest clients know.
func flatEndpoints(o *corev1.Endpoints) jsonObject {
	sockets := []string{}
	f := jsonObject{"subsets": oldSubsets(o.Subsets)}
	for _, s := range o.Subsets {
		if len(s.Ports) == 0 {
			continue
		}
		if f["protocol"] == nil {
			f["protocol"] = s.Ports[0].Protocol
		}
		for _, a := range s.Addresses {
			sockets = append(sockets, net.JoinHostPort(a.IP, strconv.Itoa(int(s.Ports[0].Port))))
		}
	}
	f["endpoints"] = sockets
	return f
}

func flatPod(o *corev1.Pod) jsonObject {
	containers := []jsonObject{}
	for _, c := range o.Spec.Containers {
		containers = append(containers, jsonObject{"name": c.Name, "image": c.Image, "ports": c.Ports})
	}
	conditions := []jsonObject{}
	for _, c := range o.Status.Conditions {
		conditions = append(conditions, flatCondition(string(c.Type), c.Status))
	}
	return jsonObject{
		"desiredState": jsonObject{"host": o.Spec.NodeName, "manifest": jsonObject{"containers": containers}},
		"currentState": jsonObject{
			"status": o.Status.Phase, "host": o.Spec.NodeName, "hostIP": o.Status.HostIP, "podIP": o.Status.PodIP,
			"Condition": conditions, // singular and upper case, as it was
		},
	}
}

func flatNodeConditions(o *corev1.Node) []jsonObject {
	conditions := []jsonObject{}
	for _, c := range o.Status.Conditions {
		conditions = append(conditions, flatCondition(string(c.Type), c.Status))
	}
	return conditions
}

func flatCondition(kind string, status corev1.ConditionStatus) jsonObject {
	names := map[corev1.ConditionStatus]string{corev1.ConditionTrue: "Full", corev1.ConditionFalse: "None"}
	name, known := names[status]
	if !known {
		name = "Unknown"
	}
	return jsonObject{"kind": kind, "status": name}
}

// kindName returns what the version that is asked for calls the kind.
func (t *target) kindName() string {
	if isFlat(t.version) && t.kind == registry.KindNode {
		return "Minion"
	}
	return t.kind.String()
}

// apiVersion returns what objects are said to be in, such as
// "discovery.k8s.io/v1".
func (t *target) apiVersion() string {
	if t.version == "v1" {
		return t.groupVersion()
	}
	return t.version
}

// listOf returns a list in the version that is asked for.
func (t *target) listOf(meta metav1.ListMeta, items []any) any {
	kind, version := t.kindName()+"List", t.apiVersion()
	if isFlat(t.version) {
		return jsonObject{"kind": kind, "apiVersion": version, "resourceVersion": number(meta.ResourceVersion), "items": items}
	}
	return jsonObject{"kind": kind, "apiVersion": version, "metadata": meta, "items": items}
}
