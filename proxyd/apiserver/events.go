package apiserver

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcreg/svcreg/proxyd/events"
)

// Events are what the registry's events are read from: etcd itself, each time
// that somebody asks. No snapshot has them.
type Events interface {
	// List returns the events of a namespace, or of all of them, and the
	// revision at which they were so; with a name only the one.
	List(ctx context.Context, namespace, name string) ([]corev1.Event, int64, error)
	// Watch yields what happens to these after a revision.
	Watch(ctx context.Context, namespace, name string, revision int64) iter.Seq2[[]events.Change, error]
}

// eventResource is how events are served. They can only be read.
var eventResource = &resource{
	name: "events", singular: "event", short: []string{"ev"}, make: func() object { return &corev1.Event{} },
	columns: eventColumns, fields: eventFieldNames,
}

// eventAPI describes it to clients.
func eventAPI() metav1.APIResource {
	r := eventResource
	return metav1.APIResource{
		Name: r.name, SingularName: r.singular, Namespaced: true, Kind: "Event",
		Verbs: metav1.Verbs{"get", "list", "watch"}, ShortNames: r.short,
	}
}

// eventTarget reads the path of events: it is nil for that of anything else,
// and where no events are served.
//
//	/api/v1/[namespaces/NAMESPACE/]events[/NAME]
func (s *Server) eventTarget(path string) *target {
	rest, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok || s.config.Events == nil {
		return nil
	}
	t := &target{resource: eventResource, version: "v1"}
	parts := strings.Split(rest, "/")
	if slices.Contains(parts, "") {
		return nil
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		t.namespace, parts = parts[1], parts[2:]
	}
	if len(parts) == 2 && t.namespace != "" {
		t.name, parts = parts[1], parts[:1]
	}
	if len(parts) != 1 || parts[0] != t.resource.name {
		return nil
	}
	return t
}

// events answers a get, a list or a watch of events.
func (s *Server) events(w http.ResponseWriter, q *http.Request, t *target) error {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return errMethod()
	}
	if s.config.May != nil && !s.config.May(q, t.namespace, false) {
		return apierrors.NewForbidden(t.groupResource(), t.name, errNotGranted)
	}
	f, err := negotiate(q)
	if err != nil {
		return err
	}
	o, err := parseOptions(q.URL.Query(), t)
	if err != nil {
		return err
	}
	if o.watch {
		return s.watchEvents(w, q, f, o)
	}
	list, revision, err := s.listEvents(q.Context(), o)
	switch {
	case err != nil:
		return err
	case o.exact && !o.unset && o.revision != revision:
		return errTooOld(o.revision, revision)
	case t.name != "" && len(list) == 0:
		return apierrors.NewNotFound(t.groupResource(), t.name)
	}
	meta := metav1.ListMeta{ResourceVersion: versionText(revision)}
	switch {
	case f.table:
		table, err := eventTable(f, meta, list)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, table)
	case t.name != "":
		writeJSON(w, http.StatusOK, list[0])
	default:
		writeJSON(w, http.StatusOK, corev1.EventList{
			TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "v1"}, ListMeta: meta, Items: list,
		})
	}
	return nil
}

// listEvents returns the events that are meant. There are never many, as they
// don't last: they all come on one page.
func (s *Server) listEvents(ctx context.Context, o *options) ([]corev1.Event, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Patience)
	defer cancel()
	all, revision, err := s.config.Events.List(ctx, o.namespace, o.name)
	if err != nil {
		return nil, 0, apierrors.NewServiceUnavailable("events can't be read: " + err.Error())
	}
	list := []corev1.Event{}
	for i := range all {
		if o.matchesEvent(&all[i]) {
			list = append(list, all[i])
		}
	}
	return list, revision, nil
}

// matchesEvent reports whether an event is one of those meant. One about an
// object without a uid is about any of its name: that is how objects are that
// were written by hand.
func (f *filter) matchesEvent(e *corev1.Event) bool {
	set := eventFields(e)
	if uid, ok := f.fields.RequiresExactMatch(fieldUID); ok && set[fieldUID] == "" {
		set[fieldUID] = uid
	}
	return f.labels.Matches(labels.Set(e.Labels)) && f.fields.Matches(fields.Set(set))
}

const fieldUID = "involvedObject.uid"

// eventFields are those by which events can be chosen.
func eventFields(e *corev1.Event) map[string]string {
	of := &e.InvolvedObject
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	return map[string]string{
		"metadata.name": e.Name, "metadata.namespace": e.Namespace,
		"involvedObject.kind": of.Kind, "involvedObject.namespace": of.Namespace, "involvedObject.name": of.Name,
		fieldUID: string(of.UID), "involvedObject.apiVersion": of.APIVersion,
		"involvedObject.resourceVersion": of.ResourceVersion, "involvedObject.fieldPath": of.FieldPath,
		"reason": e.Reason, "type": e.Type, "source": source, "reportingComponent": e.ReportingController,
	}
}
