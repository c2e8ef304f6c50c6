package codec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// family is a shape that several API versions share.
type family uint8

const (
	flat   family = iota + 1 // v1beta1, v1beta2: everything at the top level
	nested                   // v1beta3 and since: metadata, spec, status
)

// The API versions that are read and written.
const (
	v1beta1           = "v1beta1"
	v1beta2           = "v1beta2"
	v1beta3           = "v1beta3"
	v1                = "v1"
	discoveryV1       = "discovery.k8s.io/v1"
	discoveryV1beta1  = "discovery.k8s.io/v1beta1"
	networkingV1      = "networking.k8s.io/v1"
	networkingV1beta1 = "networking.k8s.io/v1beta1"
)

// versionsOf are the API versions of a kind, the one to use first.
func versionsOf(k registry.Kind) []string {
	switch k {
	case registry.KindEndpointSlice:
		return []string{discoveryV1, discoveryV1beta1}
	case registry.KindServiceCIDR, registry.KindIPAddress:
		return []string{networkingV1, networkingV1beta1}
	}
	return []string{v1, v1beta3, v1beta2, v1beta1}
}

// kinds are all that are known, in the order in which errors list them.
var kinds = []registry.Kind{
	registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindPod,
	registry.KindNode, registry.KindNamespace, registry.KindServiceCIDR, registry.KindIPAddress,
}

// familyOf returns the shape of an API version.
func familyOf(version string) family {
	if version == v1beta1 || version == v1beta2 {
		return flat
	}
	return nested
}

// kindNamed returns the kind of a name; Minion is what v1beta1 calls a Node.
func kindNamed(name string) (registry.Kind, bool) {
	if name == "Minion" {
		return registry.KindNode, true
	}
	for _, k := range kinds {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// header is what says which version a JSON object is written in.
type header struct {
	Kind       string  `json:"kind"`
	APIVersion string  `json:"apiVersion"`
	ID         present `json:"id"`
	Metadata   present `json:"metadata"`
}

// present remembers that a field is there and not null, whatever it holds.
type present bool

// UnmarshalJSON takes anything.
func (p *present) UnmarshalJSON(value []byte) error {
	*p = string(value) != "null"
	return nil
}

// versionOf returns the version of a stored value, or nothing for one that
// can't be read. What people
// wrote into etcd by hand may spell kind and version in any case or leave them
// out; the shape tells then.
func (c *conversion) versionOf(h *header) string {
	r := c.ref
	same := strings.EqualFold(h.Kind, r.Kind.String()) || r.Kind == registry.KindNode && strings.EqualFold(h.Kind, "Minion")
	if h.Kind != "" && !same {
		c.fail("kind", h.Kind, r.Kind.String()+", as the key says")
		return ""
	}
	versions := versionsOf(r.Kind)
	if h.APIVersion == "" {
		if bool(h.Metadata) && !bool(h.ID) || !slices.Contains(versions, v1beta1) {
			return versions[0]
		}
		return v1beta1
	}
	for _, v := range versions {
		if strings.EqualFold(v, h.APIVersion) {
			return v
		}
	}
	c.fail("apiVersion", h.APIVersion, wantVersion(r.Kind))
	return ""
}

// strictVersion checks kind and version of a document that is to be stored:
// both must be there, spelled as the API spells them.
func (h *header) strictVersion() (registry.Kind, error) {
	kind, ok := kindNamed(h.Kind)
	if !ok {
		return 0, &FieldError{Field: "kind", Value: h.Kind, Want: "one of " + join(kinds)}
	}
	if !slices.Contains(versionsOf(kind), h.APIVersion) {
		return 0, &FieldError{Ref: registry.Ref{Kind: kind}, Field: "apiVersion", Value: h.APIVersion, Want: wantVersion(kind)}
	}
	return kind, nil
}

func wantVersion(k registry.Kind) string {
	return fmt.Sprintf("one of %s for a %s", strings.Join(versionsOf(k), ", "), k)
}

func join[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
}
