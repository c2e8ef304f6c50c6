package apiserver

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// patcher changes an object's fields.
type patcher func(fields map[string]any) (map[string]any, error)

// maxPatches is how often a patch is made anew because somebody else was
// faster, as by an apiserver.
const maxPatches = 5

// patch changes what is stored. A patch that names no resourceVersion is made
// anew when somebody else was faster.
func (s *Server) patch(w http.ResponseWriter, q *http.Request, t *target, body []byte) error {
	change, err := newPatcher(q.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	ref := registry.Ref{Kind: t.kind, Key: registry.Key{Namespace: t.namespace, Name: t.name}}
	for try := 1; ; try++ {
		d, revision, err := s.config.Store.Read(q.Context(), ref)
		if err != nil {
			return t.refused(t.name, err)
		}
		p, err := t.patched(d, revision, change)
		if err != nil {
			return err
		}
		err = s.store(w, q, t, p, write.Condition{Present: true, Revision: p.revision}, http.StatusOK)
		if try == maxPatches || p.revision != revision || !apierrors.IsConflict(err) {
			return err
		}
	}
}

// patched returns a stored object after a patch.
func (t *target) patched(d *codec.Document, revision int64, change patcher) (*proposal, error) {
	typed, err := t.stored(d, revision)
	if err != nil {
		return nil, err
	}
	typed.GetObjectKind().SetGroupVersionKind(t.groupVersionKind())
	text, err := json.Marshal(typed)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	if fields, err = change(fields); err != nil {
		return nil, err
	}
	p, err := t.propose(fields)
	if err == nil && p.revision == 0 { // the patch took it out
		p.revision = revision
	}
	return p, err
}

// newPatcher reads a patch of one of the three sorts.
func newPatcher(contentType string, body []byte) (patcher, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = contentType
	}
	switch types.PatchType(kind) {
	case types.JSONPatchType:
		var operations []operation
		if err := json.Unmarshal(body, &operations); err != nil {
			return nil, apierrors.NewBadRequest("JSON patch: " + err.Error())
		}
		return func(fields map[string]any) (map[string]any, error) { return runOperations(fields, operations) }, nil
	case types.MergePatchType, types.StrategicMergePatchType:
		var patch map[string]any
		if err := yaml.Unmarshal(body, &patch); err != nil {
			return nil, apierrors.NewBadRequest("merge patch: " + err.Error())
		}
		keys := listKeys
		if types.PatchType(kind) == types.MergePatchType {
			keys = nil
		}
		return func(fields map[string]any) (map[string]any, error) { return mergeFields(fields, patch, keys) }, nil
	}
	why := "the body of the request was in an unknown format"
	if types.PatchType(kind) == types.ApplyYAMLPatchType {
		why = "svcreg doesn't keep whose each field is, so there is no server-side apply: want kubectl apply --server-side=false"
	}
	return nil, &statusError{metav1.Status{
		Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: fmt.Sprintf("%s - accepted media types include: %s, %s, %s",
			why, types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType),
	}}
}

// errPatch is the answer to a patch that doesn't fit the object.
func errPatch(format string, args ...any) error {
	return &statusError{metav1.Status{
		Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: "the patch can't be applied: " + fmt.Sprintf(format, args...),
	}}
}
