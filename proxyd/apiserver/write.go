package apiserver

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// Store is where a Server reads what it is to change, and writes it: a
// *write.Writer.
type Store interface {
	Read(context.Context, registry.Ref) (*codec.Document, int64, error)
	Preview(context.Context, *codec.Document, write.Condition) (*codec.Document, int64, error)
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
	one := q.Method != http.MethodPost && q.Method != http.MethodDelete // creates have no name yet, deletes may be of all
	if s.config.Store == nil || t.version != "v1" || !t.writable() || t.namespace == "" ||
		one && t.name == "" || q.Method == http.MethodPost && t.name != "" {
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
	if c.Present {
		if err := s.checkFixed(q.Context(), t, p); err != nil {
			return err
		}
	}
	ref := p.document.Ref()
	dry, err := isDry(q.URL.Query()["dryRun"])
	if err != nil {
		return err
	}
	if dry {
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

// answer sends a stored object.
func (s *Server) answer(w http.ResponseWriter, t *target, d *codec.Document, revision int64, code int) error {
	typed, err := t.stored(d, revision)
	if err == nil {
		writeJSON(w, code, typed)
	}
	return err
}

// refused returns a writer's error as the API has it.
func (t *target) refused(name string, err error) error {
	_, taken := errors.AsType[*write.TakenError](err)
	_, outside := errors.AsType[*write.OutsideError](err)
	_, full := errors.AsType[*write.FullError](err)
	_, port := errors.AsType[*write.NodePortError](err)
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
	case taken, outside, full, port, field, loss, errors.Is(err, write.ErrNotInitialised):
		return t.errInvalid(name, err)
	case errors.Is(err, context.DeadlineExceeded):
		return apierrors.NewTimeoutError(err.Error(), 1)
	}
	return err
}
