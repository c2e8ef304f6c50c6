package codec

import (
	"encoding/json"
	"fmt"
	"maps"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcreg/svcreg/registry"
)

// Encode writes an object of the model as JSON in today's API version of its
// kind. Decode makes the same object of it. An object that has such a value in
// the registry already is better changed through a Document, which keeps what
// the model doesn't know.
func Encode(o registry.Object) ([]byte, error) {
	var content any
	var err error
	switch o := o.(type) {
	case *registry.Service:
		content = encodeService(o)
	case *registry.Endpoints:
		content, err = encodeEndpoints(o)
	case *registry.Pod:
		content = encodePod(o)
	case *registry.Node:
		content = encodeNode(o)
	case *registry.Namespace:
		content = encoded{}
	case *registry.ServiceCIDR:
		content = encoded{"spec": encoded{"cidrs": texts(o.Prefixes)}}
	case *registry.IPAddress:
		content = encodeIPAddress(o)
	default:
		err = fmt.Errorf("no encoding for %T", o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Ref(), err)
	}
	fields := content.(encoded)
	meta := o.Metadata()
	fields["kind"] = meta.Kind.String()
	fields["apiVersion"] = versionsOf(meta.Kind)[0]
	fields["metadata"] = encodeMeta(o)
	return json.Marshal(fields)
}

// encoded is a JSON object in the making.
type encoded map[string]any

// set adds a field unless it is the zero value of its type.
func set[T comparable](e encoded, name string, v T) {
	var zero T
	if v != zero {
		e[name] = v
	}
}

// list adds a field unless the list is empty.
func list[T any](e encoded, name string, v []T) {
	if len(v) > 0 {
		e[name] = v
	}
}

// texts returns the text of each element.
func texts[T fmt.Stringer](list []T) []string {
	var s []string
	for _, v := range list {
		s = append(s, v.String())
	}
	return s
}

func encodeMeta(o registry.Object) encoded {
	m := o.Metadata()
	e := encoded{"name": m.Name}
	set(e, "namespace", m.Namespace)
	set(e, "uid", m.UID)
	if m.Created != 0 {
		e["creationTimestamp"] = timestamp(m.Created)
	}
	if labels := encodeLabels(o); len(labels) > 0 {
		e["labels"] = labels
	}
	if len(m.Annotations) > 0 {
		e["annotations"] = m.Annotations
	}
	if leaving(o) {
		e["deletionTimestamp"] = "1970-01-01T00:00:00Z" // the model doesn't know when
	}
	return e
}

// leaving reports whether an object is being deleted.
func leaving(o registry.Object) bool {
	switch o := o.(type) {
	case *registry.Pod:
		return o.Terminating
	case *registry.Node:
		return o.Leaving
	}
	return false
}

// encodeLabels writes an object's labels, and the one that joins a slice to
// its service.
func encodeLabels(o registry.Object) map[string]string {
	labels := o.Metadata().Labels
	slice, ok := o.(*registry.Endpoints)
	if !ok || slice.Kind != registry.KindEndpointSlice || slice.Service.Name == "" {
		return labels
	}
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[discoveryv1.LabelServiceName] = slice.Service.Name
	return labels
}

func encodeIPAddress(o *registry.IPAddress) encoded {
	if o.Service.Name == "" {
		return encoded{"spec": encoded{}}
	}
	parent := encoded{"group": "", "resource": "services", "namespace": o.Service.Namespace, "name": o.Service.Name}
	return encoded{"spec": encoded{"parentRef": parent}}
}

// encodeCondition writes the one condition that the model has.
func encodeCondition(ready bool) []encoded {
	status := "False"
	if ready {
		status = "True"
	}
	return []encoded{{"type": "Ready", "status": status}}
}

func encodePod(o *registry.Pod) encoded {
	spec, status := encoded{}, encoded{"conditions": encodeCondition(o.Ready)}
	set(spec, "nodeName", o.Node)
	set(spec, "hostname", o.Hostname)
	set(spec, "subdomain", o.Subdomain)
	var ports []encoded
	for _, p := range o.Ports {
		port := encoded{"containerPort": p.Port, "protocol": p.Protocol}
		set(port, "name", p.Name)
		ports = append(ports, port)
	}
	if ports != nil {
		spec["containers"] = []encoded{{"ports": ports}}
	}
	status["phase"] = "Running"
	if o.Finished {
		status["phase"] = "Succeeded"
	}
	if o.HostIP.IsValid() {
		status["hostIP"] = o.HostIP.String()
	}
	var ips []encoded
	for _, ip := range o.IPs {
		ips = append(ips, encoded{"ip": ip.String()})
	}
	if len(ips) > 0 {
		status["podIP"] = o.IPs[0].String()
		status["podIPs"] = ips
	}
	return encoded{"spec": spec, "status": status}
}

// encodeNode writes all addresses as inner ones, which keeps their order. The
// zone is a label, and so written already if it came from there.
func encodeNode(o *registry.Node) encoded {
	var addresses []encoded
	for _, ip := range o.IPs {
		addresses = append(addresses, encoded{"type": "InternalIP", "address": ip.String()})
	}
	status := encoded{"conditions": encodeCondition(o.Ready)}
	list(status, "addresses", addresses)
	return encoded{"status": status}
}
