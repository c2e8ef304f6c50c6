package apiserver

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// listKeys are the fields by which the elements of a list are told apart in a
// strategic merge patch (the patchMergeKey of k8s.io/api). All other lists are
// replaced as a whole.
var listKeys = map[string]string{"ports": "port", "ownerReferences": "uid", "conditions": "type"}

// mergeFields applies a merge patch (RFC 7386), or with keys a strategic one:
// kubectl's own form, in which lists are merged by a key and "$patch" says to
// delete or to replace. The fields given stay as they are.
func mergeFields(fields, patch map[string]any, keys map[string]string) (map[string]any, error) {
	if keys != nil && patch["$patch"] == "replace" {
		fields = nil
	}
	merged := maps.Clone(fields)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, change := range patch {
		if keys != nil && strings.HasPrefix(name, "$") {
			continue // directives
		}
		value, err := mergeValue(name, merged[name], change, keys)
		if err != nil {
			return nil, err
		}
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = value
		}
	}
	if keys != nil {
		arrange(merged, fields, patch, keys)
	}
	return merged, nil
}

// mergeValue returns what a field becomes; nil for nothing.
func mergeValue(name string, old, change any, keys map[string]string) (any, error) {
	switch change := change.(type) {
	case map[string]any:
		if keys != nil && change["$patch"] == "delete" {
			return nil, nil
		}
		fields, _ := old.(map[string]any)
		return mergeFields(fields, change, keys)
	case []any:
		list, _ := old.([]any)
		if key := keys[name]; key != "" && (name != "ports" || !nested(list, change)) {
			return mergeList(list, change, key, keys)
		}
	}
	return change, nil
}

// nested reports whether a list has elements that aren't objects, and so can't
// be merged by a key.
func nested(lists ...[]any) bool {
	for _, list := range lists {
		for _, e := range list {
			if _, ok := e.(map[string]any); !ok {
				return true
			}
		}
	}
	return false
}

// mergeList merges the elements that have the same key, and appends the others.
func mergeList(list, changes []any, key string, keys map[string]string) (any, error) {
	merged := slices.Clone(list)
	for i, c := range changes {
		change, ok := c.(map[string]any)
		if !ok {
			return nil, errPatch("element %d of the list is no object", i)
		}
		if change["$patch"] == "replace" {
			merged = nil
			continue
		}
		if change[key] == nil {
			return nil, errPatch("element %d of the list: want %s", i, key)
		}
		at := slices.IndexFunc(merged, func(e any) bool {
			element, _ := e.(map[string]any)
			return reflect.DeepEqual(element[key], change[key])
		})
		switch {
		case change["$patch"] == "delete" && at >= 0:
			merged = slices.Delete(merged, at, at+1)
		case change["$patch"] == "delete":
		default:
			if at < 0 {
				at, merged = len(merged), append(merged, nil)
			}
			element, _ := merged[at].(map[string]any)
			next, err := mergeFields(element, change, keys)
			if err != nil {
				return nil, err
			}
			merged[at] = next
		}
	}
	return merged, nil
}
