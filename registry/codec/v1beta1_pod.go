package codec

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditionV1beta1 is a condition of a pod or a minion.
type conditionV1beta1 struct {
	Kind   string `json:"kind"`
	Status string `json:"status"` // Full, None or Unknown
}

func (w *conditionV1beta1) status() corev1.ConditionStatus {
	switch w.Status {
	case "Full":
		return corev1.ConditionTrue
	case "None":
		return corev1.ConditionFalse
	}
	return corev1.ConditionUnknown
}

// podV1beta1 is a pod: what is wanted and what is there have a state each.
type podV1beta1 struct {
	metaJSON
	DesiredState struct {
		Host     string `json:"host"`
		Manifest struct {
			Containers []containerJSON `json:"containers"`
		} `json:"manifest"`
	} `json:"desiredState"`
	CurrentState struct {
		Status     string             `json:"status"`
		Conditions []conditionV1beta1 `json:"Condition"` // singular and upper case, as it was
		Host       string             `json:"host"`
		HostIP     string             `json:"hostIP"`
		PodIP      string             `json:"podIP"`
	} `json:"currentState"`
}

func (w *podV1beta1) read(*conversion) metav1.Object {
	o := &corev1.Pod{ObjectMeta: w.typed()}
	o.Spec.NodeName = w.CurrentState.Host
	if o.Spec.NodeName == "" {
		o.Spec.NodeName = w.DesiredState.Host
	}
	o.Spec.Containers = containers(w.DesiredState.Manifest.Containers)
	o.Status.Phase = phaseV1beta1(w.CurrentState.Status)
	o.Status.HostIP, o.Status.PodIP = w.CurrentState.HostIP, w.CurrentState.PodIP
	for _, c := range w.CurrentState.Conditions {
		o.Status.Conditions = append(o.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodConditionType(c.Kind), Status: c.status(),
		})
	}
	return o
}

// phaseV1beta1 returns today's name of a pod's status. Terminated is what
// Succeeded and Failed were before there were two.
func phaseV1beta1(status string) corev1.PodPhase {
	if status == "Terminated" {
		return corev1.PodFailed
	}
	return corev1.PodPhase(status)
}

type minionV1beta1 struct {
	metaJSON
	HostIP string `json:"hostIP"`
	Status struct {
		Addresses  []corev1.NodeAddress `json:"addresses"`
		Conditions []conditionV1beta1   `json:"conditions"`
	} `json:"status"`
}

func (w *minionV1beta1) read(*conversion) metav1.Object {
	o := &corev1.Node{ObjectMeta: w.typed()}
	o.Status.Addresses = w.Status.Addresses
	if w.HostIP != "" {
		o.Status.Addresses = append(o.Status.Addresses, corev1.NodeAddress{Type: nodeLegacyHostIP, Address: w.HostIP})
	}
	for _, c := range w.Status.Conditions {
		o.Status.Conditions = append(o.Status.Conditions, corev1.NodeCondition{
			Type: corev1.NodeConditionType(c.Kind), Status: c.status(),
		})
	}
	return o
}
