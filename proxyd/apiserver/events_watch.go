package apiserver

import (
	"context"
	"errors"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcreg/svcreg/proxyd/events"
)

// watchEvents streams what happens to the events that are meant: without a
// revision after those that are there. There are no bookmarks but the one that
// ends these.
func (s *Server) watchEvents(w http.ResponseWriter, q *http.Request, f form, o *options) error {
	timeout := s.config.WatchTime
	if o.timeout > 0 {
		timeout = o.timeout
	}
	ctx, cancel := context.WithTimeout(q.Context(), timeout)
	defer cancel()
	flow := &eventStream{stream: stream{options: o, form: f, w: w, flush: http.NewResponseController(w).Flush}}
	var before []corev1.Event
	at := o.revision
	if at == 0 || o.initial {
		var err error
		if before, at, err = s.listEvents(ctx, o); err != nil {
			return err
		}
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-cache, private")
	w.WriteHeader(http.StatusOK)
	for i := range before {
		flow.event(watch.Added, &before[i])
	}
	if o.initial && o.bookmarks {
		flow.endOfInitial(at)
	}
	if flow.flush() != nil || flow.broken {
		return nil
	}
	for changes, err := range s.config.Events.Watch(ctx, o.namespace, o.name, at) {
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, events.ErrCompacted):
			err = errTooOld(at, at+1)
		}
		if err != nil {
			flow.error(err)
			return nil
		}
		if flow.changes(changes); flow.broken {
			return nil
		}
	}
	return nil
}

// eventStream is a watch of events that is being answered.
type eventStream struct {
	stream
	columns bool // were sent
}

// changes sends what happened to events at one time.
func (f *eventStream) changes(list []events.Change) {
	for _, c := range list {
		kind := watch.Modified
		switch {
		case c.Gone:
			kind = watch.Deleted
		case c.New:
			kind = watch.Added
		}
		if f.matchesEvent(c.Event) {
			f.event(kind, c.Event)
		}
	}
	if f.flush() != nil {
		f.broken = true
	}
}

// event sends one event of the watch, about an event.
func (f *eventStream) event(kind watch.EventType, e *corev1.Event) {
	if !f.form.table {
		f.send(kind, e)
		return
	}
	table, err := eventTable(f.form, metav1.ListMeta{ResourceVersion: e.ResourceVersion}, []corev1.Event{*e})
	if err != nil {
		return // of what etcd had as JSON
	}
	if f.columns {
		table.ColumnDefinitions = nil
	}
	f.columns = true
	f.send(kind, table)
}

// endOfInitial says that what was there has been sent.
func (f *eventStream) endOfInitial(revision int64) {
	meta := metav1.ObjectMeta{
		ResourceVersion: versionText(revision),
		Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}
	f.send(watch.Bookmark, corev1.Event{TypeMeta: metav1.TypeMeta{Kind: "Event", APIVersion: "v1"}, ObjectMeta: meta})
}
