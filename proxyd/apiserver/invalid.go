package apiserver

import (
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// errInvalid is the answer to an object that can't be stored. What is wrong with
// it stands in the message, for people, and field by field in the causes: where
// there are details kubectl prints these alone.
func (t *target) errInvalid(name string, err error) error {
	status := metav1.Status{Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid}
	about := t.kind.String() + " \"" + name + "\" is invalid: "
	causes := fieldCauses(err)
	if len(causes) == 0 {
		status.Message = about + err.Error()
		return &statusError{status}
	}
	var texts []string
	for _, c := range causes {
		texts = append(texts, c.Field+": "+c.Message)
	}
	status.Message = about + strings.Join(texts, ", ")
	status.Details = &metav1.StatusDetails{Name: name, Group: t.group, Kind: t.kind.String(), Causes: causes}
	return &statusError{status}
}

// fieldCauses finds the errors of fields among those that an error is made of.
func fieldCauses(err error) []metav1.StatusCause {
	switch e := err.(type) { //nolint:errorlint // each step of the way is looked at
	case *codec.FieldError:
		about := codec.FieldError{Value: e.Value, Want: e.Want}
		return []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: e.Field, Message: about.Error()}}
	case *write.NodePortError:
		return []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: e.Field, Message: e.About()}}
	case *write.TakenError, *write.OutsideError, *write.FullError:
		return []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.clusterIPs", Message: e.Error()}}
	case interface{ Unwrap() error }:
		return fieldCauses(e.Unwrap())
	case interface{ Unwrap() []error }:
		var causes []metav1.StatusCause
		for _, inner := range e.Unwrap() {
			causes = append(causes, fieldCauses(inner)...)
		}
		return causes
	}
	return nil
}
