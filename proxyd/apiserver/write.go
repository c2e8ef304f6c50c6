package apiserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// Store is where a Server reads what it is to change, and writes it: a
// *write.Writer.
type Store interface {
	Read(context.Context, registry.Ref) (*codec.Document, int64, error)
	ApplyIf(context.Context, *codec.Document, write.Condition) (write.Outcome, error)
	DeleteIf(context.Context, registry.Ref, write.Condition) error
}

// writable reports whether the resource can be changed: pods and nodes are
// their kubelets' business, slices a controller's.
func (r *resource) writable() bool {
	return r.kind == registry.KindService || r.kind == registry.KindEndpoints
}

// change answers a create, an update, a patch or a delete.
func (s *Server) change(w http.ResponseWriter, q *http.Request, t *target) error {
	if s.config.Store == nil || t.version != "v1" || !t.writable() || t.namespace == "" || (q.Method == http.MethodPost) != (t.name == "") {
		return errMethod()
	}
	body, err := readBody(w, q)
	if err != nil {
		return err
	}
	switch q.Method {
	case http.MethodPost:
		return s.create(w, q, t, body)
	case http.MethodPut:
		return s.update(w, q, t, body)
	case http.MethodPatch:
		return s.patch(w, q, t, body)
	case http.MethodDelete:
		return s.remove(w, q, t, body)
	}
	return errMethod()
}

func (s *Server) create(w http.ResponseWriter, q *http.Request, t *target, body []byte) error {
	p, err := t.parse(body)
	if err != nil {
		return err
	}
	if p.revision != 0 {
		return apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	return s.store(w, q, t, p, write.Condition{Absent: true}, http.StatusCreated)
}

func (s *Server) update(w http.ResponseWriter, q *http.Request, t *target, body []byte) error {
	p, err := t.parse(body)
	if err != nil {
		return err
	}
	return s.store(w, q, t, p, write.Condition{Present: true, Revision: p.revision}, http.StatusOK)
}

// store writes an object and answers with what stands then.
func (s *Server) store(w http.ResponseWriter, q *http.Request, t *target, p *proposal, c write.Condition, code int) error {
	if err := t.validateFields(w, q, p); err != nil {
		return err
	}
	ref := p.document.Ref()
	if len(q.URL.Query()["dryRun"]) > 0 {
		return s.pretend(w, q, t, p, c, code)
	}
	if _, err := s.config.Store.ApplyIf(q.Context(), p.document, c); err != nil {
		return t.refused(ref.Name, err)
	}
	d, revision, err := s.config.Store.Read(q.Context(), ref)
	if err != nil {
		return t.refused(ref.Name, err)
	}
	// Who writes and then reads finds what it wrote. If the watch is late, it
	// is late.
	_, _ = s.reach(q.Context(), revision)
	return s.answer(w, t, d, revision, code)
}

// pretend answers a dry run: with the object as it was sent.
func (s *Server) pretend(w http.ResponseWriter, q *http.Request, t *target, p *proposal, c write.Condition, code int) error {
	_, revision, err := s.config.Store.Read(q.Context(), p.document.Ref())
	switch {
	case err == nil && c.Absent:
		err = write.ErrExists
	case err == nil && c.Revision != 0 && c.Revision != revision:
		err = write.ErrChanged
	case errors.Is(err, write.ErrNotFound) && !c.Present:
		err = nil
	}
	if err != nil {
		return t.refused(p.document.Ref().Name, err)
	}
	return s.answer(w, t, p.document, revision, code)
}

// answer sends a stored object.
func (s *Server) answer(w http.ResponseWriter, t *target, d *codec.Document, revision int64, code int) error {
	typed, err := t.stored(d, revision)
	if err == nil {
		writeJSON(w, code, typed)
	}
	return err
}

// remove deletes an object, if it is still the one that the request means.
func (s *Server) remove(w http.ResponseWriter, q *http.Request, t *target, body []byte) error {
	var options metav1.DeleteOptions
	if len(body) > 0 {
		body, err := fromProtobuf(body, &metav1.DeleteOptions{})
		if err == nil {
			err = json.Unmarshal(body, &options)
		}
		if err != nil {
			return apierrors.NewBadRequest("delete options: " + err.Error())
		}
	}
	ref := registry.Ref{Kind: t.kind, Key: registry.Key{Namespace: t.namespace, Name: t.name}}
	c, err := s.condition(q.Context(), t, ref, options.Preconditions)
	if err != nil {
		return err
	}
	if len(options.DryRun) == 0 && len(q.URL.Query()["dryRun"]) == 0 {
		if err := s.config.Store.DeleteIf(q.Context(), ref, c); err != nil {
			return t.refused(t.name, err)
		}
	}
	writeJSON(w, http.StatusOK, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusSuccess,
		Details:  &metav1.StatusDetails{Name: t.name, Group: t.group, Kind: t.resource.name},
	})
	return nil
}

// condition says of which object something is still true.
func (s *Server) condition(ctx context.Context, t *target, r registry.Ref, p *metav1.Preconditions) (c write.Condition, err error) {
	c.Present = true
	if p != nil && p.ResourceVersion != nil {
		if c.Revision, err = parseRevision(*p.ResourceVersion); err != nil {
			return c, err
		}
	}
	if p == nil || p.UID == nil {
		return c, nil
	}
	d, revision, err := s.config.Store.Read(ctx, r)
	if err != nil {
		return c, t.refused(r.Name, err)
	}
	o, err := d.Object()
	if err != nil {
		return c, err
	}
	if uid := o.Metadata().UID; uid != string(*p.UID) {
		return c, apierrors.NewConflict(t.groupResource(), r.Name, fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s)", *p.UID, uid))
	}
	c.Revision = cmp.Or(c.Revision, revision) // of that very object
	return c, nil
}

// refused returns a writer's error as the API has it.
func (t *target) refused(name string, err error) error {
	_, taken := errors.AsType[*write.TakenError](err)
	_, outside := errors.AsType[*write.OutsideError](err)
	_, full := errors.AsType[*write.FullError](err)
	_, field := errors.AsType[*codec.FieldError](err)
	_, loss := errors.AsType[*codec.LossError](err)
	switch {
	case errors.Is(err, write.ErrNotFound):
		return apierrors.NewNotFound(t.groupResource(), name)
	case errors.Is(err, write.ErrExists):
		return apierrors.NewAlreadyExists(t.groupResource(), name)
	case errors.Is(err, write.ErrChanged), errors.Is(err, write.ErrConflict):
		return apierrors.NewConflict(t.groupResource(), name, errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	case write.IsForeign(err):
		return apierrors.NewForbidden(t.groupResource(), name, err)
	case taken, outside, full, field, loss, errors.Is(err, write.ErrNotInitialised):
		return t.errInvalid(name, err)
	case errors.Is(err, context.DeadlineExceeded):
		return apierrors.NewTimeoutError(err.Error(), 1)
	}
	return err
}

// errInvalid is the answer to an object that can't be stored.
func (t *target) errInvalid(name string, err error) error {
	return &statusError{metav1.Status{
		Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Details: &metav1.StatusDetails{Name: name, Group: t.group, Kind: t.kind.String()},
		Message: t.kind.String() + " \"" + name + "\" is invalid: " + err.Error(),
	}}
}
