package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	"github.com/svcreg/svcreg/registry/codec"
)

// maxBody is the largest body that is read, in bytes, as by an apiserver. etcd
// takes half of it.
const maxBody = 3 << 20

func readBody(w http.ResponseWriter, q *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxBody))
	}
	if err != nil {
		return nil, apierrors.NewBadRequest("the body can't be read: " + err.Error())
	}
	return body, nil
}

// proposal is an object that somebody wants to be stored, and the revision it
// is based on; zero for any.
type proposal struct {
	document *codec.Document
	revision int64
	uid      string // of the object that is meant; empty for any
	// unknown says which fields the API doesn't have, in an apiserver's words.
	unknown []error
}

// parse reads the object in a body, JSON, YAML or protobuf, which must be the
// one that the path names.
func (t *target) parse(body []byte) (*proposal, error) {
	var fields map[string]any
	body, err := fromProtobuf(body, t.make())
	if err == nil {
		err = yaml.Unmarshal(body, &fields)
	}
	if err != nil || fields == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized: want a %s of %s: %v", t.kind, t.groupVersion(), err))
	}
	return t.propose(fields)
}

// propose makes a proposal of an object's fields.
func (t *target) propose(fields map[string]any) (*proposal, error) {
	if fields["kind"] != t.kind.String() || fields["apiVersion"] != t.groupVersion() {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object provided is a %v of %v: want a %s of %s", fields["kind"], fields["apiVersion"], t.kind, t.groupVersion()))
	}
	unknown, err := t.unknownFields(fields)
	if err != nil {
		return nil, err
	}
	p := &proposal{unknown: unknown}
	if meta, ok := fields["metadata"].(map[string]any); ok {
		p.uid, _ = meta["uid"].(string)
		if p.revision, err = takeRevision(meta); err != nil {
			return nil, err
		}
	}
	delete(fields, "status") // which is kept as it is
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	documents, err := codec.ParseDocuments("", text)
	if err == nil && len(documents) != 1 {
		err = errors.New("want one object")
	}
	if err != nil {
		return nil, t.errInvalid(t.name, err)
	}
	p.document = documents[0]
	p.document.SetNamespace(t.namespace)
	return p, t.checkName(p.document)
}

// takeRevision takes out of an object's metadata what an apiserver keeps there
// for itself, and returns the revision.
func takeRevision(meta map[string]any) (int64, error) {
	text, _ := meta["resourceVersion"].(string)
	for _, name := range []string{"uid", "creationTimestamp", "resourceVersion", "managedFields", "selfLink", "generation"} {
		delete(meta, name)
	}
	return parseRevision(text)
}

func parseRevision(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, apierrors.NewBadRequest(fmt.Sprintf("metadata.resourceVersion: Invalid value: %q: want a number", text))
	}
	return n, nil
}

// checkName refuses an object that is not the one the path names.
func (t *target) checkName(d *codec.Document) error {
	ref := d.Ref()
	switch {
	case ref.Namespace != t.namespace:
		return apierrors.NewBadRequest(fmt.Sprintf("the namespace of the provided object does not match the namespace sent on the request (%s, %s)", ref.Namespace, t.namespace))
	case t.name != "" && ref.Name != t.name:
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", ref.Name, t.name))
	}
	return nil
}

// stored returns a stored document as the API has it: with all its fields where
// it is of the API's version, else with those that the model knows.
func (r *resource) stored(d *codec.Document, revision int64) (object, error) {
	o, err := d.Object()
	if err != nil {
		return nil, err
	}
	o.Metadata().ModRevision = revision
	if d.APIVersion() != r.groupVersion() {
		return r.typed(o)
	}
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	typed := r.make()
	if err := json.Unmarshal(text, typed); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Ref(), err)
	}
	typed.SetNamespace(o.Ref().Namespace)
	typed.SetResourceVersion(versionText(revision))
	complete(typed)
	return typed, nil
}
