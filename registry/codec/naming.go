package codec

import "strings"

// naming turns the path of a field in v1 into what the object's own version
// calls it, so that errors speak of what was written.
type naming func(path string) string

func asIs(path string) string { return path }

var (
	v1beta3Names = strings.NewReplacer(
		"spec.clusterIPs[0]", "spec.portalIP", "spec.clusterIP", "spec.portalIP", "spec.externalIPs", "spec.publicIPs")
	flatNames = strings.NewReplacer(
		"spec.clusterIPs[0]", "portalIP", "spec.clusterIP", "portalIP", "spec.externalIPs", "publicIPs",
		".targetPort", ".containerPort", "spec.containers", "desiredState.manifest.containers",
		"status.podIP", "currentState.podIP", "status.hostIP", "currentState.hostIP",
		"metadata.name", "id", "metadata.", "", "spec.", "")
	flatPortNames = strings.NewReplacer(
		"ports[0].name", "portName", "ports[0].", "", "ports", "port")
)

// namesIn returns the naming of an API version.
func namesIn(version string) naming {
	switch version {
	case v1beta1, v1beta2:
		return flatName
	case v1beta3:
		return v1beta3Names.Replace
	}
	return asIs
}

// flatName is the naming of v1beta1 and v1beta2.
func flatName(path string) string {
	if path == "metadata.namespace" {
		return "namespace"
	}
	return flatNames.Replace(path)
}

// flatPortName is the naming of a v1beta1 service with its one port written
// at the top level.
func flatPortName(path string) string { return flatPortNames.Replace(flatName(path)) }

// flatEndpointName is the naming of v1beta1 endpoints written as "ip:port":
// each of those is a subset of its own.
func flatEndpointName(path string) string {
	rest, ok := strings.CutPrefix(path, "subsets[")
	index, _, found := strings.Cut(rest, "]")
	if !ok || !found {
		return flatName(path)
	}
	return "endpoints[" + index + "]"
}
