package apiproxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// path is what the path of a request asks for.
type path struct {
	// to is the service, pod or node; nothing says that it exists.
	to registry.Ref
	// id is the object as asked for: [scheme:]name[:port].
	id, scheme, port string
	// redirect asks for the endpoint's address, not for its answer.
	redirect bool
	// prefix is the path up to the object, with no slash at its end, and rest
	// what comes after it: both as they came, escapes and all. An empty rest
	// lacks the slash that relative links need.
	prefix, rest string
}

// rawPath returns the path of a request byte for byte as the client sent it.
func rawPath(r *http.Request) string {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	if decoded, err := url.PathUnescape(raw); err == nil && decoded == r.URL.Path && !strings.Contains(raw, "#") {
		return noSpace(raw)
	}
	return noSpace(r.URL.EscapedPath()) // an absolute URI, or a path that another handler has cut
}

// noSpace escapes spaces. HTTP/2 can carry them in a path or a query; before
// HTTP/1.1's version they would be the end of both.
func noSpace(s string) string { return strings.ReplaceAll(s, " ", "%20") }

// parsePath reads the path of a URL, in any form that an API version had:
//
//	/api/v1beta1/proxy/services/ID?namespace=NS   and v1beta2
//	/api/v1beta1/proxy/ns/NS/services/ID          and v1beta2
//	/api/v1/proxy/namespaces/NS/services/ID       and v1beta3
//	/api/v1/namespaces/NS/services/ID/proxy
//
// and the same for pods and, without a namespace, nodes (minions, at first).
// All but the last have a form with redirect in place of proxy. It reports
// whether it is the path of a proxy at all; what is wrong with one that is
// comes as an error.
func parsePath(raw, query string) (path, bool, error) {
	s := segments{raw: raw}
	if s.next() != "api" {
		return path{}, false, nil
	}
	version, verb := s.next(), s.next()
	switch {
	case verb == "proxy" || verb == "redirect":
		return s.leading(version, verb, query)
	case version == "v1":
		return s.trailing(verb)
	}
	return path{}, false, nil
}

// leading reads a path where the verb stands before the object.
func (s *segments) leading(version, verb, query string) (path, bool, error) {
	beta := version == "v1beta1" || version == "v1beta2"
	if !beta && version != "v1beta3" && version != "v1" {
		return path{}, false, nil
	}
	namespace, resource := "", s.next()
	scope := "namespaces"
	if beta {
		scope = "ns"
	}
	scoped := resource == scope
	switch {
	case scoped:
		namespace, resource = s.next(), s.next()
	case beta:
		namespace = namespaceIn(query)
	}
	kind, ok := kindOf(resource, beta)
	if node := kind == registry.KindNode; !ok || node && scoped || !node && namespace == "" {
		return path{}, false, nil
	}
	return s.object(kind, namespace, verb == "redirect")
}

// trailing reads a path where "proxy" follows the object, as today.
func (s *segments) trailing(resource string) (path, bool, error) {
	namespace := ""
	if resource == "namespaces" {
		namespace, resource = s.next(), s.next()
	}
	kind, ok := kindOf(resource, false)
	if !ok || (kind == registry.KindNode) != (namespace == "") {
		return path{}, false, nil
	}
	p, ok, err := s.object(kind, namespace, false)
	if s.next() != "proxy" {
		return path{}, false, nil
	}
	p.prefix, p.rest = s.raw[:s.at], s.raw[s.at:]
	return p, ok, err
}

// object reads the segment that names the object.
func (s *segments) object(kind registry.Kind, namespace string, redirect bool) (path, bool, error) {
	if kind == registry.KindNode {
		namespace = ""
	}
	p := path{id: s.next(), redirect: redirect}
	p.prefix, p.rest = s.raw[:s.at], s.raw[s.at:]
	scheme, name, port, ok := splitID(p.id)
	if !ok {
		return p, true, badRequest("invalid %s request %q", strings.ToLower(kind.String()), p.id)
	}
	p.to = registry.Ref{Kind: kind, Key: registry.Key{Namespace: namespace, Name: name}}
	p.scheme, p.port = scheme, port
	return p, true, nil
}

// splitID splits name, name:port or scheme:name:port.
func splitID(id string) (scheme, name, port string, ok bool) {
	parts := strings.Split(id, ":")
	switch len(parts) {
	case 1:
		name = parts[0]
	case 2:
		name, port = parts[0], parts[1]
	case 3:
		scheme, name, port = parts[0], parts[1], parts[2]
	default:
		return "", "", "", false
	}
	return scheme, name, port, name != "" && (scheme == "" || scheme == "http" || scheme == "https")
}

func kindOf(resource string, beta bool) (registry.Kind, bool) {
	switch {
	case resource == "services":
		return registry.KindService, true
	case resource == "pods":
		return registry.KindPod, true
	case resource == "nodes", beta && resource == "minions":
		return registry.KindNode, true
	}
	return 0, false
}

// namespaceIn returns the namespace that the oldest form has in its query.
func namespaceIn(query string) string {
	values, _ := url.ParseQuery(query) // what can't be read is the backend's
	if ns := values.Get("namespace"); ns != "" {
		return ns
	}
	return "default"
}

// segments reads a path segment by segment.
type segments struct {
	raw string
	at  int // where the last segment ended
}

// next returns the next segment, decoded. It is empty at the end, and where
// two slashes meet: no segment of these forms is.
func (s *segments) next() string {
	if s.at >= len(s.raw) || s.raw[s.at] != '/' {
		return ""
	}
	end := strings.IndexByte(s.raw[s.at+1:], '/')
	if end < 0 {
		end = len(s.raw) - s.at - 1
	}
	segment, err := url.PathUnescape(s.raw[s.at+1 : s.at+1+end])
	s.at += 1 + end
	if err != nil {
		return ""
	}
	return segment
}
