package apiserver

import (
	"fmt"
	"net/http"
	"runtime"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/svcreg/svcreg/registry"
)

// emulated is the version of Kubernetes whose API this is a part of. Clients
// compare it with their own.
const emulatedMajor, emulatedMinor = "1", "32"

// fixedPaths are the answers that are the same whatever the registry holds.
func (s *Server) fixedPaths() map[string]http.HandlerFunc {
	paths := map[string]http.HandlerFunc{
		"/version":                       fixed(versionInfo()),
		"/api":                           fixed(coreVersions()),
		"/apis":                          fixed(groups()),
		"/apis/" + discoveryv1.GroupName: fixed(discoveryGroup()),
		"/openapi/v2":                    openAPIv2,
		"/openapi/v3":                    fixed(openAPIv3()),
		"/healthz":                       ok,
		"/livez":                         ok,
		"/readyz":                        s.ready,
	}
	for _, group := range groupNames {
		paths[groupPath(group)] = fixed(s.resourcesOf(group))
		paths["/openapi/v3"+groupPath(group)] = openAPIGroup(group)
	}
	for path := range paths { // kubectl get --raw /api/ works as well
		paths[path+"/"] = paths[path]
	}
	return paths
}

// groupNames are the API groups that have resources; "" is the core group.
var groupNames = []string{"", discoveryv1.GroupName}

// groupPath returns where the resources of a group are.
func groupPath(group string) string {
	if group == "" {
		return "/api/v1"
	}
	return "/apis/" + group + "/v1"
}

// fixed answers with content that never changes.
func fixed(content any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, content) }
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok")) // the client has gone
}

// ready says whether there is a registry to serve.
func (s *Server) ready(w http.ResponseWriter, q *http.Request) {
	if latest, _ := s.history.current(); latest == nil {
		http.Error(w, "the registry is not known yet", http.StatusServiceUnavailable)
		return
	}
	ok(w, q)
}

func versionInfo() version.Info {
	return version.Info{
		Major: emulatedMajor, Minor: emulatedMinor,
		GitVersion: fmt.Sprintf("v%s.%s.0+svcreg", emulatedMajor, emulatedMinor),
		GoVersion:  runtime.Version(), Compiler: runtime.Compiler, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

func coreVersions() metav1.APIVersions {
	return metav1.APIVersions{
		TypeMeta:                   metav1.TypeMeta{Kind: "APIVersions"},
		Versions:                   []string{"v1"},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{},
	}
}

func groups() metav1.APIGroupList {
	group := discoveryGroup()
	group.TypeMeta = metav1.TypeMeta{}
	return metav1.APIGroupList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
		Groups:   []metav1.APIGroup{group},
	}
}

func discoveryGroup() metav1.APIGroup {
	v := metav1.GroupVersionForDiscovery{GroupVersion: discoveryv1.SchemeGroupVersion.String(), Version: "v1"}
	return metav1.APIGroup{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"},
		Name:     discoveryv1.GroupName, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v,
	}
}

// resourcesOf lists what a group has.
func (s *Server) resourcesOf(group string) metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, r := range resources {
		if r.group != group {
			continue
		}
		verbs := metav1.Verbs{"get", "list", "watch"}
		if s.config.Store != nil && r.writable() {
			verbs = append(verbs, "create", "delete", "deletecollection", "patch", "update")
		}
		list.GroupVersion = r.groupVersion()
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: r.name, SingularName: r.singular, Namespaced: r.namespaced(), Kind: r.kind.String(),
			Verbs: verbs, ShortNames: r.short, Categories: r.categories(),
		})
	}
	if group == "" && s.config.Events != nil {
		list.APIResources = append(list.APIResources, eventAPI())
	}
	return list
}

// categories are the words that stand for several resources: "all" is what
// kubectl get all shows.
func (r *resource) categories() []string {
	if r.kind == registry.KindService || r.kind == registry.KindPod {
		return []string{"all"}
	}
	return nil
}
