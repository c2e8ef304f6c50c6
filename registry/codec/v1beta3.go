package codec

import corev1 "k8s.io/api/core/v1"

// olderServiceSpec is what a service's spec had before some fields got the
// names of today: v1beta3, and v1 until about 1.2.
type olderServiceSpec struct {
	PortalIP                   string   `json:"portalIP"`
	CreateExternalLoadBalancer bool     `json:"createExternalLoadBalancer"`
	PublicIPs                  []string `json:"publicIPs"`
	DeprecatedPublicIPs        []string `json:"deprecatedPublicIPs"`
}

// apply puts the older fields where today's are. Of the lists of public
// addresses the deprecated one wins, as it did in Kubernetes.
func (w *olderServiceSpec) apply(spec *corev1.ServiceSpec) {
	if spec.ClusterIP == "" {
		spec.ClusterIP = w.PortalIP
	}
	if spec.Type == "" && w.CreateExternalLoadBalancer {
		spec.Type = corev1.ServiceTypeLoadBalancer
	}
	switch {
	case len(w.DeprecatedPublicIPs) > 0:
		spec.ExternalIPs = w.DeprecatedPublicIPs
	case len(spec.ExternalIPs) == 0:
		spec.ExternalIPs = w.PublicIPs
	}
}
