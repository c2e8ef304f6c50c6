package registry

// common are strings that many objects have. A record names one by where it
// stands here: new ones go to the end, and none ever moves.
var common = [...]string{
	string(TCP), string(UDP), string(SCTP),
	string(ClusterIP), string(NodePort), string(LoadBalancer), string(ExternalName),
	"v1", "discovery.k8s.io/v1", "v1beta1", "v1beta2", "v1beta3",
	"networking.k8s.io/v1", "networking.k8s.io/v1beta1", "discovery.k8s.io/v1beta1",
	"Pod", "Node",
	"http", "https", "metrics", "grpc", "tcp", "dns",
	"app", "name", "k8s-app", "tier", "component", "role", "version", "environment",
	"kubernetes.io/service-name",
	"endpointslice.kubernetes.io/managed-by",
	"endpointslice-controller.k8s.io",
	"endpointslicemirroring-controller.k8s.io",
	"endpoints.kubernetes.io/last-change-trigger-time",
	"endpoints.kubernetes.io/managed-by",
	"endpoint-controller",
	"service.kubernetes.io/headless",
	"app.kubernetes.io/name",
	"app.kubernetes.io/instance",
	"app.kubernetes.io/version",
	"app.kubernetes.io/component",
	"app.kubernetes.io/part-of",
	"app.kubernetes.io/managed-by",
	"helm.sh/chart",
	"Helm",
	"meta.helm.sh/release-name",
	"meta.helm.sh/release-namespace",
	"pod-template-hash",
	"controller-revision-hash",
	"statefulset.kubernetes.io/pod-name",
	"apps.kubernetes.io/pod-index",
	"kubernetes.io/metadata.name",
	"kubernetes.io/hostname",
	"kubernetes.io/arch",
	"kubernetes.io/os",
	"topology.kubernetes.io/zone",
	"topology.kubernetes.io/region",
	"node.kubernetes.io/instance-type",
	"kubectl.kubernetes.io/last-applied-configuration",
	"PreferClose",
	"true", "false",
}

// commonIndex is where each of them stands.
var commonIndex = func() map[string]int {
	m := make(map[string]int, len(common))
	for i, s := range common {
		m[s] = i
	}
	return m
}()
