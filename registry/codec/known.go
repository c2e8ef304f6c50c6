package codec

import (
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// knownMetadata are the fields of metadata that belong to whoever writes an
// object. The others belong to the server.
var knownMetadata = []string{"name", "namespace", "labels", "annotations"}

// metadataNames are the fields that stand in metadata since v1beta3 and at the
// top level before.
var metadataNames = append([]string{
	"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion",
	"generation", "generateName", "ownerReferences", "finalizers", "managedFields",
}, knownMetadata...)

// knownTop are the fields that svcreg knows at the top level since v1beta3.
func knownTop(k registry.Kind) []string {
	known := []string{"kind", "apiVersion", "metadata", "spec"}
	switch k {
	case registry.KindEndpoints:
		known = append(known, "subsets")
	case registry.KindEndpointSlice:
		known = append(known, "addressType", "endpoints", "ports")
	}
	return known
}

// knownSpec are the fields of spec that svcreg knows, under all names that
// they have had.
func knownSpec(k registry.Kind) []string {
	switch k {
	case registry.KindService:
		return []string{
			"ports", "selector", "type", "createExternalLoadBalancer",
			"portalIP", "clusterIP", "clusterIPs", "publicIPs", "deprecatedPublicIPs", "externalIPs",
			"loadBalancerSourceRanges", "loadBalancerIP", "loadBalancerClass", "externalName", "sessionAffinity", "sessionAffinityConfig",
			"externalTrafficPolicy", "internalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts",
			"trafficDistribution", "publishNotReadyAddresses",
		}
	case registry.KindPod:
		return []string{"nodeName", "host", "containers", "hostname", "subdomain"}
	case registry.KindServiceCIDR:
		return []string{"cidrs"}
	case registry.KindIPAddress:
		return []string{"parentRef"}
	}
	return nil
}

// knownFlat are the fields that svcreg knows in v1beta1 and v1beta2.
func knownFlat(k registry.Kind) []string {
	known := []string{"kind", "apiVersion", "id", "namespace", "labels", "annotations"}
	switch k {
	case registry.KindService:
		known = append(known, "port", "portName", "protocol", "containerPort", "proxyPort", "ports", "selector",
			"portalIP", "publicIPs", "createExternalLoadBalancer", "sessionAffinity")
	case registry.KindEndpoints:
		known = append(known, "protocol", "endpoints", "targetRefs", "subsets")
	case registry.KindPod:
		known = append(known, "desiredState")
	case registry.KindNode:
		known = append(known, "hostIP")
	}
	return known
}

// foldsTo matches a name in any case.
func foldsTo(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}
