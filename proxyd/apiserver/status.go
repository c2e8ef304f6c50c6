package apiserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apistatus"
)

// statusError is an error in the API's own form, for those that package errors
// of apimachinery doesn't make.
type statusError struct{ status metav1.Status }

func (e *statusError) Error() string         { return e.status.Message }
func (e *statusError) Status() metav1.Status { return e.status }

// errNoPath is an apiserver's answer to a path that leads nowhere.
func errNoPath() error {
	return &statusError{metav1.Status{
		Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Details: &metav1.StatusDetails{},
		Message: "the server could not find the requested resource",
	}}
}

func errMethod() error {
	return &statusError{metav1.Status{
		Code: http.StatusMethodNotAllowed, Reason: metav1.StatusReasonMethodNotAllowed, Details: &metav1.StatusDetails{},
		Message: "the server does not allow this method on the requested resource",
	}}
}

func errNotAcceptable() error {
	return &statusError{metav1.Status{
		Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1",
	}}
}

// errTooOld is the answer to whoever has been away for too long.
func errTooOld(revision, oldest int64) error {
	return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", revision, oldest))
}

// statusOf returns an error as the API has it.
func statusOf(err error) metav1.Status {
	status := metav1.Status{
		Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError,
		Message: "Internal error occurred: " + err.Error(),
	}
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status = known.Status()
	}
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	status.Status = metav1.StatusFailure
	return status
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, q *http.Request, err error) {
	status := statusOf(err)
	if status.Code == http.StatusInternalServerError {
		s.config.Logger.Warn("a request failed", "method", q.Method, "path", strings.ToValidUTF8(q.URL.Path, "?"), "error", err)
	}
	apistatus.Write(w, status)
}
