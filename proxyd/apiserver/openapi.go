package apiserver

import (
	"net/http"
	"reflect"
	"strings"
)

// openAPIv3 lists the documents that there are, one for each group. kubectl
// (since 1.27) has its explanations from them.
func openAPIv3() jsonObject {
	paths := jsonObject{}
	for _, group := range groupNames {
		path := strings.TrimPrefix(groupPath(group), "/")
		paths[path] = jsonObject{"serverRelativeURL": "/openapi/v3/" + path}
	}
	return jsonObject{"paths": paths}
}

// openAPIGroup answers with the document of a group. It is made anew each
// time: it is seldom asked for, and large.
func openAPIGroup(group string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		paths, components := jsonObject{}, schemas{}
		for _, r := range resources {
			if r.group == group {
				r.describe(paths, components)
			}
		}
		writeJSON(w, http.StatusOK, jsonObject{
			"openapi":    "3.0.0",
			"info":       jsonObject{"title": openAPITitle, "version": openAPIVersion},
			"paths":      paths,
			"components": jsonObject{"schemas": components},
		})
	}
}

// describe adds the path of the resource's objects and what they look like.
func (r *resource) describe(paths jsonObject, components schemas) {
	kind := jsonObject{"group": r.group, "version": "v1", "kind": r.kind.String()}
	t := reflect.TypeOf(r.make()).Elem()
	ref := components.add(t)
	components[schemaName(t)]["x-kubernetes-group-version-kind"] = []jsonObject{kind}

	answer := jsonObject{"200": jsonObject{"description": "OK", "content": jsonObject{"application/json": jsonObject{"schema": ref}}}}
	methods := jsonObject{"get": jsonObject{"x-kubernetes-group-version-kind": kind, "responses": answer}}
	if r.writable() {
		var parameters []jsonObject
		for _, name := range writeParameters {
			parameters = append(parameters, jsonObject{"name": name, "in": "query", "schema": jsonObject{"type": "string"}})
		}
		for _, method := range []string{"put", "patch", "delete"} {
			methods[method] = jsonObject{"x-kubernetes-group-version-kind": kind, "responses": answer, "parameters": parameters}
		}
	}
	scope := "/"
	if r.namespaced() {
		scope = "/namespaces/{namespace}/"
	}
	paths[groupPath(r.group)+scope+r.name+"/{name}"] = methods
}

// writeParameters are what kubectl looks for before it asks for them.
var writeParameters = []string{"dryRun", "fieldValidation"}

const openAPITitle, openAPIVersion = "svcreg", "v" + emulatedMajor + "." + emulatedMinor + ".0"
