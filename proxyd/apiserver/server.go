// Package apiserver serves a registry in the words of the Kubernetes API, so
// that kubectl, curl and client libraries can look at it: discovery, get, list
// and watch of services, endpoints, endpointslices, pods, nodes and
// namespaces, as JSON or as the tables that kubectl prints.
//
// Whatever version an object is stored in, it is served as v1 (EndpointSlices
// as discovery.k8s.io/v1), or, to be read only, as v1beta1, v1beta2 or v1beta3.
// An object's resourceVersion is the etcd revision at which it was last
// written, a list's that of the snapshot.
//
// A Server is fed by a watch.Watcher and answers reads from its snapshots
// alone: no get, list or watch reaches etcd, but those of Kubernetes events,
// which no snapshot has. So what the model of package registry doesn't know,
// such as finalizers, is not in the answers, and what somebody else wrote a
// moment ago may not be either; what was written through this Server is.
// The Watcher must watch all kinds and trim nothing; the one of the data plane
// watches fewer:
//
//	server := apiserver.New(apiserver.Config{Store: write.New(client, layout, write.Options{})})
//	watcher, err := watch.New(watch.Config{Client: client, Layout: layout, Notify: server.Notify})
//
// Services and endpoints are written through package write, with the
// resourceVersion that the client names as the condition. A dry run goes the
// same way up to the transaction. As with an apiserver the server chooses the
// UID and the time of creation, a service keeps its first portal IP as long as
// it is there, and the delete of a collection is no transaction.
//
// Of kubectl's commands get, describe, explain, apply, create, edit, patch,
// label, annotate, set selector, replace, expose, diff, wait and delete work,
// with every version from 1.20 on. Out of reach are
// those for which it takes a kubelet (exec, attach, cp, logs and port-forward
// are answered with 501), a metrics server (top), reviews of access (auth
// can-i, 404), or writes to anything but services and endpoints (405).
// Server-side apply isn't there: nobody owns single fields in a registry, and
// kubectl says so (415).
//
// Who may ask is for whoever wraps the handler to decide, or Config.May.
package apiserver

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcreg/svcreg/registry"
)

// Config says how a Server works. The zero Config is for everyday use.
type Config struct {
	// Store is what services and endpoints are written to; nil means that
	// nothing can be written.
	Store Store
	// May says who may read a namespace's objects, or write them; the others
	// are forbidden to (403). An empty namespace stands for all of them, and
	// for what is in none. Nil allows all. What clients discover is for all.
	May func(q *http.Request, namespace string, write bool) bool
	// Events are what the registry's events are read from; nil means that none
	// are served.
	Events Events
	// Bookmark is how often a watch that asked for bookmarks gets one; zero
	// means once a minute, as from an apiserver.
	Bookmark time.Duration
	// History is how many steps from snapshot to snapshot are kept for watches
	// and paged lists that come back; zero means 1000.
	History int
	// Patience is how long a request waits for a revision that etcd has but
	// this process doesn't yet; zero means three seconds.
	Patience time.Duration
	// WatchTime ends a watch that asked for no timeoutSeconds; zero means
	// after half an hour.
	WatchTime time.Duration
	// Logger gets what an operator must know; nil means slog.Default.
	Logger *slog.Logger
}

// Server is an http.Handler that serves a registry.
type Server struct {
	config  Config
	history *history
	fixed   map[string]http.HandlerFunc // by path: what isn't about objects
}

// New returns a Server that knows nothing until Notify is called, and answers
// 503 till then.
func New(c Config) *Server {
	c.Bookmark = cmp.Or(c.Bookmark, time.Minute)
	c.History = cmp.Or(c.History, 1000)
	c.Patience = cmp.Or(c.Patience, 3*time.Second)
	c.WatchTime = cmp.Or(c.WatchTime, 30*time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	s := &Server{config: c, history: newHistory(c.History)}
	s.fixed = s.fixedPaths()
	return s
}

// Notify takes the next snapshot and what makes it differ from the one before;
// it is a watch.Config.Notify. Its cost is that of the changes.
func (s *Server) Notify(snapshot *registry.Snapshot, changes *registry.Changes) {
	s.history.add(snapshot, changes)
}

// ServeHTTP answers one request. What goes wrong is told in a Status object
// with the code, the reason and the message that an apiserver has for it.
func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if err := s.serve(w, q); err != nil {
		s.fail(w, q, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, q *http.Request) error {
	if handler := s.fixed[q.URL.Path]; handler != nil {
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			return errMethod()
		}
		handler(w, q)
		return nil
	}
	if t := s.eventTarget(q.URL.Path); t != nil {
		return s.events(w, q, t)
	}
	target, err := parsePath(q.URL.Path, q.URL.Query())
	if err != nil {
		return err
	}
	write := q.Method != http.MethodGet && q.Method != http.MethodHead
	if s.config.May != nil && !s.config.May(q, target.namespace, write) {
		return apierrors.NewForbidden(target.groupResource(), target.name, errNotGranted)
	}
	if write {
		return s.change(w, q, target)
	}
	return s.read(w, q, target)
}

// errNotGranted is why May forbids something.
var errNotGranted = errors.New("the registry may not be reached so by this client")

// read answers a get, a list or a watch.
func (s *Server) read(w http.ResponseWriter, q *http.Request, t *target) error {
	form, err := negotiate(q)
	if err != nil {
		return err
	}
	options, err := parseOptions(q.URL.Query(), t)
	if err != nil {
		return err
	}
	if options.watch {
		return s.watch(w, q, form, options)
	}
	snapshot, err := s.snapshot(q.Context(), options)
	if err != nil {
		return err
	}
	if t.name != "" {
		return s.get(w, t, form, snapshot)
	}
	return s.list(w, t, form, options, snapshot)
}
