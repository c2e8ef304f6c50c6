package apiserver

import (
	"reflect"
	"strings"

	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// schemas are the components of an OpenAPI document, by name.
type schemas map[string]jsonObject

// schemaRef begins what refers to a component.
const schemaRef = "#/components/schemas/"

// specialTypes are written in another way than their fields say.
var specialTypes = map[reflect.Type]jsonObject{
	reflect.TypeFor[metav1.Time]():        {"type": "string", "format": "date-time"},
	reflect.TypeFor[metav1.MicroTime]():   {"type": "string", "format": "date-time"},
	reflect.TypeFor[metav1.FieldsV1]():    {"type": "object"},
	reflect.TypeFor[intstr.IntOrString](): {"oneOf": []jsonObject{{"type": "integer"}, {"type": "string"}}, "format": "int-or-string"},
	reflect.TypeFor[quantity.Quantity]():  {"oneOf": []jsonObject{{"type": "string"}, {"type": "number"}}},
}

// add describes a type and all that it is made of, and returns what refers to
// it.
func (s schemas) add(t reflect.Type) jsonObject {
	if special, ok := specialTypes[t]; ok {
		return special
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.add(t.Elem())
	case reflect.Map:
		return jsonObject{"type": "object", "additionalProperties": s.add(t.Elem())}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return jsonObject{"type": "string", "format": "byte"}
		}
		return jsonObject{"type": "array", "items": s.add(t.Elem())}
	case reflect.Struct:
		return s.addStruct(t)
	case reflect.String:
		return jsonObject{"type": "string"}
	case reflect.Bool:
		return jsonObject{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return jsonObject{"type": "number"}
	}
	return jsonObject{"type": "integer"}
}

func (s schemas) addStruct(t reflect.Type) jsonObject {
	name := schemaName(t)
	if s[name] == nil {
		docs := docsOf(t)
		s[name] = jsonObject{"type": "object", "description": docs[""]} // before its fields: some refer to it
		properties := jsonObject{}
		s.addFields(properties, t, docs)
		s[name]["properties"] = properties
	}
	return jsonObject{"allOf": []jsonObject{{"$ref": schemaRef + name}}}
}

func (s schemas) addFields(properties jsonObject, t reflect.Type, docs map[string]string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-", !f.IsExported():
			continue
		case strings.Contains(options, "inline"), name == "" && f.Anonymous:
			s.addFields(properties, f.Type, docsOf(f.Type))
			continue
		}
		property := jsonObject{}
		for k, v := range s.add(f.Type) { // special ones are shared
			property[k] = v
		}
		property["description"] = docs[name]
		if key := f.Tag.Get("patchMergeKey"); key != "" {
			property["x-kubernetes-patch-merge-key"] = key
		}
		if strategy := f.Tag.Get("patchStrategy"); strategy != "" {
			property["x-kubernetes-patch-strategy"] = strategy
		}
		properties[name] = property
	}
}

// docsOf returns what k8s.io/api says of a type and, by name, of its fields.
func docsOf(t reflect.Type) map[string]string {
	if documented, ok := reflect.Zero(t).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
		return documented.SwaggerDoc()
	}
	return nil
}

// schemaName returns a name such as io.k8s.api.core.v1.Service.
func schemaName(t reflect.Type) string {
	path := strings.Split(t.PkgPath(), "/")
	return "io.k8s." + strings.Join(append(path[1:], t.Name()), ".")
}
