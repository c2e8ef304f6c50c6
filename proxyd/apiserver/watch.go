package apiserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcreg/svcreg/registry"
)

// watch streams what happens to the objects that are meant. Without a revision
// it begins with those that are there. A watch that comes too late, or falls
// too far behind, ends with an ERROR event that holds a 410.
func (s *Server) watch(w http.ResponseWriter, q *http.Request, f form, o *options) error {
	least := int64(0)
	if o.initial {
		least = o.revision
	}
	if _, err := s.reach(q.Context(), least); err != nil {
		return err
	}
	flow := &stream{
		options: o, form: f, w: w,
		flush: http.NewResponseController(w).Flush,
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-cache, private")
	w.WriteHeader(http.StatusOK)
	if err := s.follow(q, flow); err != nil {
		flow.error(err)
	}
	return nil
}

// follow sends events until the client goes or its time is up. The error is
// one to tell the client.
func (s *Server) follow(q *http.Request, flow *stream) error {
	number, err := s.begin(flow)
	if err != nil {
		return err
	}
	timeout := s.config.WatchTime
	if flow.timeout > 0 {
		timeout = flow.timeout
	}
	end := time.NewTimer(timeout)
	defer end.Stop()
	bookmarks := time.NewTicker(s.config.Bookmark)
	defer bookmarks.Stop()
	for {
		steps, next, latest, more, ok := s.history.next(number)
		if !ok {
			return errTooOld(flow.at, latest.Revision())
		}
		number = next
		if err := flow.steps(steps); err != nil || flow.broken {
			return err
		}
		select {
		case <-more:
		case <-bookmarks.C:
			flow.bookmark(latest.Revision())
		case <-end.C:
			flow.bookmark(latest.Revision())
			return nil
		case <-q.Context().Done():
			return nil
		}
	}
}

// begin finds the first step to send, after what is there where that was asked
// for.
func (s *Server) begin(flow *stream) (number uint64, err error) {
	if flow.revision > 0 && !flow.initial {
		number, oldest, ok := s.history.after(flow.revision)
		if !ok {
			return 0, errTooOld(flow.revision, oldest)
		}
		flow.at = flow.revision
		return number, flow.flush()
	}
	snapshot, _ := s.history.current()
	number, _, ok := s.history.after(snapshot.Revision())
	if !ok {
		return 0, errTooOld(snapshot.Revision(), snapshot.Revision())
	}
	objects, _ := (&options{filter: flow.filter}).page(snapshot)
	for _, o := range objects {
		if err := flow.event(watch.Added, o); err != nil {
			return 0, err
		}
	}
	flow.at = snapshot.Revision()
	if flow.initial && flow.bookmarks {
		flow.send(watch.Bookmark, flow.mark(flow.at, jsonObject{metav1.InitialEventsAnnotationKey: "true"}))
	}
	return number, flow.flush()
}

// stream is a watch that is being answered.
type stream struct {
	*options
	form    form
	w       http.ResponseWriter
	flush   func() error
	at      int64 // the revision up to which all was sent
	columns bool  // were sent
	broken  bool  // the client is gone
}

// steps sends what some steps mean for the objects of the watch.
func (f *stream) steps(steps []step) error {
	for i := range steps {
		for _, r := range steps[i].refs {
			if err := f.change(&steps[i], r); err != nil {
				return err
			}
		}
		f.at = steps[i].after.Revision()
	}
	if len(steps) > 0 && f.flush() != nil {
		f.broken = true
	}
	return nil
}

// change sends one object's change. One that ceases to be meant is deleted for
// this watch, and comes as it was with the revision at which it went.
func (f *stream) change(s *step, r registry.Ref) error {
	if r.Kind != f.kind || f.name != "" && r.Name != f.name {
		return nil
	}
	old, now := s.before.Object(r), s.after.Object(r)
	was, is := f.matches(old), f.matches(now)
	switch {
	case is && now.Metadata().ModRevision <= f.at && now.Metadata().ModRevision > 0 && was:
		return nil // the client has it already
	case is && was:
		return f.event(watch.Modified, now)
	case is:
		return f.event(watch.Added, now)
	case was:
		old.Metadata().ModRevision = s.after.Revision()
		return f.event(watch.Deleted, old)
	}
	return nil
}

// event sends one event about an object.
func (f *stream) event(kind watch.EventType, o registry.Object) error {
	var content any
	var err error
	if f.form.table {
		content, err = f.row(o)
	} else {
		content, err = f.content(o)
	}
	if err == nil {
		f.send(kind, content)
	}
	return err
}

// row returns a table of one object; only the first has the columns.
func (f *stream) row(o registry.Object) (*metav1.Table, error) {
	table, err := f.table(f.form, metav1.ListMeta{ResourceVersion: versionText(o.Metadata().ModRevision)}, o)
	if err == nil && f.columns {
		table.ColumnDefinitions = nil
	}
	f.columns = true
	return table, err
}

// bookmark tells the client, if it wants to know, up to which revision it knows
// everything.
func (f *stream) bookmark(revision int64) {
	if !f.bookmarks || f.broken {
		return
	}
	f.at = revision
	f.send(watch.Bookmark, f.mark(revision, nil))
	f.broken = f.flush() != nil || f.broken
}

// mark returns an object that has nothing but a revision and, if it is no
// table, annotations.
func (f *stream) mark(revision int64, annotations jsonObject) any {
	if f.form.table {
		return metav1.Table{
			TypeMeta: metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"},
			ListMeta: metav1.ListMeta{ResourceVersion: versionText(revision)},
			Rows:     []metav1.TableRow{},
		}
	}
	if isFlat(f.version) {
		return jsonObject{"kind": f.kindName(), "apiVersion": f.version, "resourceVersion": revision}
	}
	meta := jsonObject{"resourceVersion": versionText(revision), "creationTimestamp": nil}
	if annotations != nil {
		meta["annotations"] = annotations
	}
	return jsonObject{"kind": f.kindName(), "apiVersion": f.apiVersion(), "metadata": meta}
}

// error ends the watch by telling why.
func (f *stream) error(err error) {
	f.send(watch.Error, statusOf(err))
	_ = f.flush() // the client has gone
}

// send writes an event on a line of its own.
func (f *stream) send(kind watch.EventType, content any) {
	text, err := json.Marshal(struct {
		Type   watch.EventType `json:"type"`
		Object any             `json:"object"`
	}{kind, content})
	if err == nil {
		_, err = f.w.Write(slices.Concat(text, []byte("\n")))
	}
	f.broken = f.broken || err != nil
}
