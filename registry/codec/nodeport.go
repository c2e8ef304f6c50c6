package codec

import (
	"encoding/json"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcreg/svcreg/registry"
)

// SetNodePorts writes the node ports of a Service: one for each of its ports,
// in their order, and the one that answers health checks. Zero removes one. The
// versions v1beta1 and v1beta2 have no room for any, and stay as they are.
func (d *Document) SetNodePorts(ports []uint16, healthCheck uint16) {
	if familyOf(d.version) == flat {
		return
	}
	spec := d.spec()
	list, _ := spec.get("ports").([]any)
	for i, v := range list[:min(len(list), len(ports))] {
		if port, ok := v.(map[string]any); ok {
			d.setPort(port, "nodePort", ports[i])
		}
	}
	d.setPort(spec, "healthCheckNodePort", healthCheck)
}

// setPort writes a port's number, or removes the field for none.
func (d *Document) setPort(place tree, field string, port uint16) {
	number := strconv.Itoa(int(port))
	switch have := place.get(field); {
	case port == 0 && have == nil, have == json.Number(number):
		return
	case port == 0:
		place.remove(field)
	default:
		place.set(field, json.Number(number))
	}
	d.changed = true
}

// checkNodePorts allows several ports to share a node port where each has a
// protocol of its own. The one for health checks is of TCP.
func (c *conversion) checkNodePorts(spec *corev1.ServiceSpec) {
	used := map[portID]bool{}
	for i, p := range spec.Ports {
		id := portID{protocol(p.Protocol), p.NodePort}
		if p.NodePort != 0 && used[id] {
			c.fail(index("spec.ports", i)+".nodePort", strconv.Itoa(int(p.NodePort)), "a port and protocol that no other has")
		}
		used[id] = true
	}
	if n := spec.HealthCheckNodePort; n != 0 && used[portID{registry.TCP, n}] {
		c.fail("spec.healthCheckNodePort", strconv.Itoa(int(n)), "a port that no nodePort is")
	}
}
