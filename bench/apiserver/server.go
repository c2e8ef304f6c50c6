// Package apiserver stands in for a Kubernetes apiserver: it lists and watches
// the objects that it was given, in protobuf, as CoreDNS's kubernetes plugin
// asks for them. Everything is encoded before it is asked for, so that as
// little of the machine as possible goes to the stand-in.
package apiserver

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/svcreg/svcreg/bench/kube"
)

const contentType = "application/vnd.kubernetes.protobuf"

// Server is the stand-in. It is an http.Handler.
type Server struct {
	mux *http.ServeMux

	mu        sync.Mutex
	revision  uint64
	resources map[string]*resource // by kind
}

// New returns a server without objects.
func New() *Server {
	s := &Server{mux: http.NewServeMux(), resources: map[string]*resource{}}
	for path, r := range map[string]*resource{
		"/api/v1/namespaces":                       newResource("v1", "Namespace"),
		"/api/v1/services":                         newResource("v1", "Service"),
		"/api/v1/pods":                             newResource("v1", "Pod"),
		"/apis/discovery.k8s.io/v1/endpointslices": newResource("discovery.k8s.io/v1", "EndpointSlice"),
	} {
		s.resources[r.kind] = r
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, q *http.Request) { s.serve(w, q, r) })
	}
	return s
}

// ServeHTTP answers lists and watches of all namespaces' objects. Selectors are
// not looked at: every object is what is asked for.
func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) { s.mux.ServeHTTP(w, q) }

// Put creates or replaces an object. When it returns, the watches have the
// event to send.
func (s *Server) Put(o kube.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.resources[o.GetObjectKind().GroupVersionKind().Kind]
	if r == nil {
		return fmt.Errorf("put %s: no such resource", kube.Key(o))
	}
	s.revision++
	return r.put(s.revision, o)
}

// serve answers a list or a watch. Those without protobuf are refused: what is
// compared speaks protobuf.
func (s *Server) serve(w http.ResponseWriter, q *http.Request, r *resource) {
	if !accepts(q.Header.Get("Accept")) {
		http.Error(w, "this apiserver speaks only "+contentType, http.StatusNotAcceptable)
		return
	}
	if watch := q.URL.Query().Get("watch"); watch == "true" || watch == "1" {
		s.watch(w, q, r)
		return
	}
	s.list(w, r)
}

// accepts tells whether an Accept header asks for protobuf.
func accepts(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == contentType {
			return true
		}
	}
	return false
}

// list sends all objects. It doesn't page: an apiserver doesn't either for a
// list from its cache, which is what reflectors ask for.
func (s *Server) list(w http.ResponseWriter, r *resource) {
	s.mu.Lock()
	body, err := r.list(s.revision)
	s.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body) // the client has gone
}
