package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/bench/fleet"
)

// Pod returns the pod behind an endpoint of a service, as it is while it runs.
func Pod(s fleet.Service, endpoint int) *corev1.Pod {
	name := s.PodName(endpoint)
	labels := map[string]string{"app.kubernetes.io/name": s.Name, "pod-template-hash": "6d4cf56db6"}
	address := s.Endpoints[endpoint].String()
	o := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: meta(name, s.Namespace, "pod", labels, "kubelet", podFields),
		Spec: corev1.PodSpec{
			Containers:         []corev1.Container{container(s)},
			RestartPolicy:      corev1.RestartPolicyAlways,
			DNSPolicy:          corev1.DNSClusterFirst,
			ServiceAccountName: "default",
			NodeName:           node(s, endpoint),
			SchedulerName:      corev1.DefaultSchedulerName,
		},
		Status: corev1.PodStatus{
			Phase:     corev1.PodRunning,
			HostIP:    "192.168.0.1",
			PodIP:     address,
			PodIPs:    []corev1.PodIP{{IP: address}},
			StartTime: &created,
			QOSClass:  corev1.PodQOSBurstable,
		},
	}
	for _, t := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		o.Status.Conditions = append(o.Status.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: created})
	}
	o.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: s.Name, Ready: true, Started: new(true), Image: o.Spec.Containers[0].Image,
		ContainerID: "containerd://" + string(o.UID), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: created}},
	}}
	return o
}

func container(s fleet.Service) corev1.Container {
	return corev1.Container{
		Name:            s.Name,
		Image:           "registry.example.org/" + s.Namespace + "/" + s.Name + ":1.2.3",
		Ports:           []corev1.ContainerPort{{Name: fleet.PortName, ContainerPort: fleet.Port, Protocol: corev1.ProtocolTCP}},
		Env:             []corev1.EnvVar{{Name: "LISTEN", Value: ":80"}, {Name: "LOG_LEVEL", Value: "info"}},
		ImagePullPolicy: corev1.PullIfNotPresent,
		VolumeMounts:    []corev1.VolumeMount{{Name: "kube-api-access", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}},
	}
}
