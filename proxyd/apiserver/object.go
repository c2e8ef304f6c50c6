package apiserver

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// typed returns an object of the registry as the API has it.
func (r *resource) typed(o registry.Object) (object, error) {
	text, err := codec.Encode(o)
	if err != nil {
		return nil, err
	}
	typed := r.make()
	if err := json.Unmarshal(text, typed); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Ref(), err)
	}
	typed.SetResourceVersion(versionText(o.Metadata().ModRevision))
	complete(typed)
	return typed, nil
}

// complete writes the defaults of the API.
func complete(typed object) {
	switch o := typed.(type) {
	case *corev1.Service:
		completeService(o)
	case *discoveryv1.EndpointSlice:
		for i := range o.Ports { // which clients don't look for nil
			p := &o.Ports[i]
			setDefault(&p.Name, new(""))
			setDefault(&p.Protocol, new(corev1.ProtocolTCP))
		}
	}
}

// versionText returns a revision as the API writes it; empty for that of an
// object which isn't from etcd.
func versionText(revision int64) string {
	if revision == 0 {
		return ""
	}
	return strconv.FormatInt(revision, 10)
}

// completeService writes what an apiserver has in every service, and older
// versions and the registry's model leave out.
func completeService(s *corev1.Service) {
	spec := &s.Spec
	setDefault(&spec.Type, corev1.ServiceTypeClusterIP)
	setDefault(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	for i := range spec.Ports {
		p := &spec.Ports[i]
		if p.TargetPort.StrVal == registry.FirstPort { // no other version has it
			p.TargetPort = intstr.IntOrString{}
		}
		setDefault(&p.TargetPort, intstr.FromInt32(p.Port))
	}
	if spec.Type == corev1.ServiceTypeExternalName && (spec.ClusterIP == "" || spec.ClusterIP == corev1.ClusterIPNone) {
		return
	}
	if spec.InternalTrafficPolicy == nil {
		spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type != corev1.ServiceTypeClusterIP || len(spec.ExternalIPs) > 0 {
		setDefault(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	completeFamilies(spec)
}

// completeFamilies says of which families the portal IPs are.
func completeFamilies(spec *corev1.ServiceSpec) {
	if len(spec.IPFamilies) > 0 {
		return
	}
	for _, text := range spec.ClusterIPs {
		switch a, err := netip.ParseAddr(text); {
		case err != nil: // "None"
		case a.Is4():
			spec.IPFamilies = append(spec.IPFamilies, corev1.IPv4Protocol)
		default:
			spec.IPFamilies = append(spec.IPFamilies, corev1.IPv6Protocol)
		}
	}
	switch {
	case spec.IPFamilyPolicy != nil:
	case len(spec.IPFamilies) > 1:
		spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
	case len(spec.IPFamilies) == 1:
		spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
	}
}

// setDefault sets what is the zero value of its type.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
