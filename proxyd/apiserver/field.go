package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcreg/svcreg/registry"
)

// labelsOf returns an object's labels, with the one by which a slice says whom
// it serves, which the model has as a field.
func labelsOf(o registry.Object) map[string]string {
	set := o.Metadata().Labels
	slice, ok := o.(*registry.Endpoints)
	if !ok || slice.Kind != registry.KindEndpointSlice || slice.Service.Name == "" {
		return set
	}
	set = maps.Clone(set)
	if set == nil {
		set = map[string]string{}
	}
	set[discoveryv1.LabelServiceName] = slice.Service.Name
	return set
}

// fieldsOf returns the fields by which objects of the resource can be chosen.
func (r *resource) fieldsOf(o registry.Object) map[string]string {
	set := r.fields(o)
	set["metadata.name"] = o.Ref().Name
	if r.namespaced() {
		set["metadata.namespace"] = o.Ref().Namespace
	}
	return set
}

// fieldNames returns the names of those fields.
func (r *resource) fieldNames() []string {
	var o registry.Object
	switch r.kind {
	case registry.KindService:
		o = &registry.Service{}
	case registry.KindPod:
		o = &registry.Pod{}
	default:
		o = &registry.Namespace{}
	}
	return slices.Collect(maps.Keys(r.fieldsOf(o)))
}

func noFields(registry.Object) map[string]string { return map[string]string{} }

func namespaceFields(registry.Object) map[string]string {
	return map[string]string{"status.phase": "Active"}
}

func serviceFields(o registry.Object) map[string]string {
	s := o.(*registry.Service)
	return map[string]string{"spec.clusterIP": portalIP(s), "spec.type": serviceType(s)}
}

func podFields(o registry.Object) map[string]string {
	p := o.(*registry.Pod)
	set := map[string]string{"spec.nodeName": p.Node, "status.phase": podPhase(p), "status.podIP": ""}
	if len(p.IPs) > 0 {
		set["status.podIP"] = p.IPs[0].String()
	}
	return set
}

// String returns the position as a continue token.
func (p *position) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // a number and a string
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func parsePosition(token string) (*position, error) {
	p := &position{}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, p)
	}
	if err != nil || p.Revision <= 0 {
		return nil, apierrors.NewBadRequest("continue key is not valid: want one that a list of this server gave")
	}
	return p, nil
}
