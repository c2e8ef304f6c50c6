package codec

import (
	"encoding/json"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
)

// optional is a field that is read where it makes sense, and else isn't there.
type optional[T any] struct{ value T }

// UnmarshalJSON takes anything.
func (o *optional[T]) UnmarshalJSON(text []byte) error {
	var v T
	if json.Unmarshal(text, &v) == nil {
		o.value = v
	}
	return nil
}

// conditionsJSON is a service's status, as far as conditions go. No traffic
// hangs on these, so a bad one is no reason to refuse the service.
type conditionsJSON struct {
	Conditions optional[[]metav1.Condition] `json:"conditions"`
}

// conditionsOf returns the conditions of a service in the model.
func conditionsOf(typed []metav1.Condition) []registry.Condition {
	var all []registry.Condition
	for _, c := range typed {
		one := registry.Condition{Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message}
		if t := c.LastTransitionTime; !t.IsZero() {
			one.Since = t.Unix()
		}
		all = append(all, one)
	}
	return all
}

func encodeConditions(conditions []registry.Condition) []encoded {
	var all []encoded
	for _, c := range conditions {
		e := encoded{"type": c.Type, "status": c.Status, "reason": c.Reason, "message": c.Message}
		if c.Since != 0 {
			e["lastTransitionTime"] = timestamp(c.Since)
		}
		all = append(all, e)
	}
	return all
}

// SetCondition writes a condition into a Service's status.conditions, in place
// of the one of its type if there is one. Since counts where the status becomes
// another; else the time stays that stands there. Everything else is left as it
// is: in a stored value byte for byte.
//
// v1beta1, v1beta2 and v1beta3 had no conditions; there they stand in the same
// place, where readers that don't know it take no notice.
func (d *Document) SetCondition(c registry.Condition) {
	if d.HasCondition(c) {
		return
	}
	status := d.tree.child("status")
	all, _ := status.get("conditions").([]any)
	all = slices.Clone(all)
	i, one := findCondition(all, c.Type)
	one = maps.Clone(one)
	if i < 0 {
		i, one = len(all), tree{}
		all = append(all, nil)
	}
	if one.text("status") != c.Status || !one.has("lastTransitionTime") {
		one.set("lastTransitionTime", timestamp(c.Since))
	}
	for name, v := range map[string]string{"type": c.Type, "status": c.Status, "reason": c.Reason, "message": c.Message} {
		one.set(name, v)
	}
	if one.remove("observedGeneration"); d.generation() != nil {
		one.set("observedGeneration", d.generation())
	}
	all[i] = map[string]any(one)
	status.set("conditions", all)
	d.changed, d.verbatim = true, true
}

// HasCondition reports whether a Service says a condition already, of its
// present generation if it counts these. Since when doesn't matter.
func (d *Document) HasCondition(c registry.Condition) bool {
	status, _ := d.tree.peek("status")
	all, _ := status.get("conditions").([]any)
	_, one := findCondition(all, c.Type)
	return one != nil && one.text("status") == c.Status && one.text("reason") == c.Reason && one.text("message") == c.Message &&
		one.has("lastTransitionTime") && one.get("observedGeneration") == d.generation()
}

// findCondition returns the first condition of a type, and where it stands; -1
// for nowhere.
func findCondition(all []any, typ string) (int, tree) {
	for i, v := range all {
		if one, _ := v.(map[string]any); tree(one).text("type") == typ {
			return i, one
		}
	}
	return -1, nil
}

// generation returns metadata.generation, or nil for none.
func (d *Document) generation() any {
	meta := d.tree
	if familyOf(d.version) == nested {
		meta, _ = d.tree.peek("metadata")
	}
	n, ok := meta.get("generation").(json.Number)
	if !ok || n == "0" {
		return nil
	}
	return n
}

// carryConditions keeps what controllers say of a service, whatever a file says
// that was once written down with it.
func (d *Document) carryConditions(stored *Document) {
	if d.ref.Kind != registry.KindService {
		return
	}
	status, _ := stored.tree.peek("status")
	if all := status.get("conditions"); all != nil {
		d.tree.child("status").set("conditions", all)
	}
}
