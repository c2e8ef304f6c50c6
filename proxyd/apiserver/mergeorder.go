package apiserver

import (
	"reflect"
	"slices"
	"strings"
)

// orderPrefix begins the directive that says in which order the elements of a
// list are to stand, given by their keys.
const orderPrefix = "$setElementOrder/"

// arrange brings the lists of an object into the order that a strategic merge
// patch wants. A service's first port is more than the others: it is the one in
// its environment variables. Elements that the patch doesn't speak of stay where
// they stood among those that it does.
func arrange(merged, before, patch map[string]any, keys map[string]string) {
	for directive, wanted := range patch {
		name, ok := strings.CutPrefix(directive, orderPrefix)
		order, isList := wanted.([]any)
		list, _ := merged[name].([]any)
		key := keys[name]
		if !ok || !isList || key == "" || nested(list, order) {
			continue
		}
		old, _ := before[name].([]any)
		merged[name] = inOrder(list, old, order, key)
	}
}

// inOrder returns a list's elements in an order; old is the list as it was.
func inOrder(list, old, order []any, key string) []any {
	var spoken, others []any
	for _, e := range list {
		if place(order, e, key) >= 0 {
			spoken = append(spoken, e)
		} else {
			others = append(others, e)
		}
	}
	slices.SortStableFunc(spoken, func(a, b any) int { return place(order, a, key) - place(order, b, key) })
	arranged := make([]any, 0, len(list))
	for len(spoken) > 0 && len(others) > 0 {
		if at := place(old, spoken[0], key); at >= 0 && place(old, others[0], key) < at {
			arranged, others = append(arranged, others[0]), others[1:]
		} else {
			arranged, spoken = append(arranged, spoken[0]), spoken[1:]
		}
	}
	return slices.Concat(arranged, spoken, others)
}

// place returns where the element with the same key stands in a list, or -1.
func place(list []any, e any, key string) int {
	element, _ := e.(map[string]any)
	return slices.IndexFunc(list, func(other any) bool {
		o, _ := other.(map[string]any)
		return reflect.DeepEqual(o[key], element[key])
	})
}
