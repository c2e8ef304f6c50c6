package codec

import (
	"bytes"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/registry"
)

// protobufMagic is what a value in Kubernetes protobuf begins with; a
// runtime.Unknown follows.
const protobufMagic = "k8s\x00"

func isProtobuf(value []byte) bool { return bytes.HasPrefix(value, []byte(protobufMagic)) }

// message is an object that can be written as protobuf.
type message interface {
	metav1.Object
	runtime.Object
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// newMessage returns an empty object of that version, or nil for one that has
// no protobuf.
func newMessage(k registry.Kind, version string) message {
	switch k.String() + "." + version {
	case "Service.v1":
		return &corev1.Service{}
	case "Endpoints.v1":
		return &corev1.Endpoints{}
	case "Pod.v1":
		return &corev1.Pod{}
	case "Node.v1":
		return &corev1.Node{}
	case "Namespace.v1":
		return &corev1.Namespace{}
	case "EndpointSlice.discovery.k8s.io/v1":
		return &discoveryv1.EndpointSlice{}
	case "EndpointSlice.discovery.k8s.io/v1beta1":
		return &discoveryv1beta1.EndpointSlice{}
	case "ServiceCIDR.networking.k8s.io/v1":
		return &networkingv1.ServiceCIDR{}
	case "ServiceCIDR.networking.k8s.io/v1beta1":
		return &networkingv1beta1.ServiceCIDR{}
	case "IPAddress.networking.k8s.io/v1":
		return &networkingv1.IPAddress{}
	case "IPAddress.networking.k8s.io/v1beta1":
		return &networkingv1beta1.IPAddress{}
	}
	return nil
}

// readEnvelope reads the runtime.Unknown around an object.
func (c *conversion) readEnvelope(value []byte) *runtime.Unknown {
	var u runtime.Unknown
	if err := u.Unmarshal(value[len(protobufMagic):]); err != nil {
		c.failWith(fmt.Errorf("protobuf: %w", err))
		return nil
	}
	if u.ContentEncoding != "" {
		c.failWith(fmt.Errorf("protobuf: content encoding %s is not supported", printable(u.ContentEncoding)))
		return nil
	}
	return &u
}

// readMessage reads the object of an envelope, in its own version.
func (c *conversion) readMessage(u *runtime.Unknown) message {
	if u.Kind != c.ref.Kind.String() {
		c.fail("kind", u.Kind, c.ref.Kind.String()+", as the key says")
		return nil
	}
	m := newMessage(c.ref.Kind, u.APIVersion)
	if m == nil {
		c.fail("apiVersion", u.APIVersion, protobufVersions(c.ref.Kind))
		return nil
	}
	if err := m.Unmarshal(u.Raw); err != nil {
		c.failWith(fmt.Errorf("protobuf: %w", err))
		return nil
	}
	return m
}

func protobufVersions(k registry.Kind) string {
	var list []string
	for _, v := range versionsOf(k) {
		if newMessage(k, v) != nil {
			list = append(list, v)
		}
	}
	return strings.Join(list, " or ") + " in protobuf"
}

func (c *conversion) readProtobuf(value []byte) *source {
	u := c.readEnvelope(value)
	if u == nil {
		return nil
	}
	m := c.readMessage(u)
	if m == nil {
		return nil
	}
	return &source{typed: today(m), version: u.APIVersion, protobuf: true}
}
