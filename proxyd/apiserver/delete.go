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
	"github.com/svcreg/svcreg/registry/write"
)

// remove deletes an object, if it is still the one that the request means, or
// without a name all that the request chooses.
func (s *Server) remove(w http.ResponseWriter, q *http.Request, t *target, body []byte) error {
	options, err := deleteOptions(q, body)
	if err != nil {
		return err
	}
	if t.name == "" {
		return s.removeAll(w, q, t, options)
	}
	ref := registry.Ref{Kind: t.kind, Key: registry.Key{Namespace: t.namespace, Name: t.name}}
	c, err := s.condition(q.Context(), t, ref, options.Preconditions)
	if err != nil {
		return err
	}
	if err := s.delete(q.Context(), ref, c, len(options.DryRun) > 0); err != nil {
		return t.refused(t.name, err)
	}
	writeJSON(w, http.StatusOK, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusSuccess,
		Details:  &metav1.StatusDetails{Name: t.name, Group: t.group, Kind: t.resource.name},
	})
	return nil
}

// deleteOptions reads what a body says of a delete, and the query of dry runs.
func deleteOptions(q *http.Request, body []byte) (*metav1.DeleteOptions, error) {
	options := &metav1.DeleteOptions{}
	if len(body) > 0 {
		body, err := fromProtobuf(body, &metav1.DeleteOptions{})
		if err == nil {
			err = json.Unmarshal(body, options)
		}
		if err != nil {
			return nil, apierrors.NewBadRequest("delete options: " + err.Error())
		}
	}
	options.DryRun = append(options.DryRun, q.URL.Query()["dryRun"]...)
	_, err := isDry(options.DryRun)
	return options, err
}

// delete deletes an object, or finds out whether that would do.
func (s *Server) delete(ctx context.Context, ref registry.Ref, c write.Condition, dry bool) error {
	if !dry {
		return s.config.Store.DeleteIf(ctx, ref, c)
	}
	_, revision, err := s.config.Store.Read(ctx, ref)
	if err == nil && c.Revision != 0 && c.Revision != revision {
		err = write.ErrChanged
	}
	return err
}

// removeAll deletes what a list with the same query has, one after the other,
// and answers with that list. It is no transaction: what somebody creates in
// the meantime stays, and so does what is changed so that it isn't meant any
// more.
func (s *Server) removeAll(w http.ResponseWriter, q *http.Request, t *target, d *metav1.DeleteOptions) error {
	o, err := parseOptions(q.URL.Query(), t)
	if err != nil {
		return err
	}
	if o.watch || d.Preconditions != nil {
		return apierrors.NewBadRequest("preconditions are for the delete of one object")
	}
	snapshot, err := s.snapshot(q.Context(), o)
	if err != nil {
		return err
	}
	objects, meta := o.page(snapshot)
	items := []any{}
	for _, object := range objects {
		gone, err := s.removeMeant(q.Context(), o, object, len(d.DryRun) > 0)
		if err != nil {
			return err
		}
		if !gone {
			continue
		}
		content, err := t.content(object)
		if err != nil {
			return err
		}
		items = append(items, content)
	}
	writeJSON(w, http.StatusOK, t.listOf(meta, items))
	return nil
}

// removeMeant deletes an object that is still meant, and reports whether it
// did.
func (s *Server) removeMeant(ctx context.Context, o *options, object registry.Object, dry bool) (bool, error) {
	ref := object.Ref()
	c := write.Condition{Present: true, Revision: object.Metadata().ModRevision}
	for try := 1; ; try++ {
		err := s.delete(ctx, ref, c, dry)
		if !errors.Is(err, write.ErrChanged) || try == maxPatches {
			gone := err == nil
			if errors.Is(err, write.ErrNotFound) {
				err = nil
			}
			if err != nil {
				err = o.refused(ref.Name, err)
			}
			return gone, err
		}
		document, revision, err := s.config.Store.Read(ctx, ref)
		if errors.Is(err, write.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, o.refused(ref.Name, err)
		}
		if now, err := document.Object(); err != nil || !o.matches(now) {
			return false, err
		}
		c.Revision = revision
	}
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
