// Package apistatus is how proxyd's API says that a request failed: by a Status
// of the Kubernetes API, which kubectl and each client library understand.
package apistatus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Error is an error that is a Status, as those of apimachinery are.
type Error struct{ status metav1.Status }

// New returns the Error with an HTTP status code, its reason and a message.
func New(code int32, reason metav1.StatusReason, format string, args ...any) *Error {
	return &Error{metav1.Status{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// Unavailable returns the Error for what can't be had at the moment.
func Unavailable(format string, args ...any) *Error {
	return New(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, format, args...)
}

// TooLarge returns the Error for a request whose body has more bytes than it may.
func TooLarge(most int64) *Error {
	return New(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, "the body is larger than %d bytes", most)
}

// About returns the Error with the object that it is about, by its resource,
// such as services, and its name.
func (e *Error) About(resource, name string) *Error {
	about := *e
	about.status.Details = &metav1.StatusDetails{Kind: resource, Name: name}
	return &about
}

// Error returns the message.
func (e *Error) Error() string { return e.status.Message }

// Status implements apimachinery's errors.APIStatus.
func (e *Error) Status() metav1.Status { return e.status }

// Write answers with a Status of a failure.
func Write(w http.ResponseWriter, s metav1.Status) {
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	s.Status = metav1.StatusFailure
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, private")
	h.Set("X-Content-Type-Options", "nosniff")
	if s.Code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="svcreg"`)
	}
	if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
		h.Set("Retry-After", strconv.Itoa(int(s.Details.RetryAfterSeconds)))
	}
	w.WriteHeader(int(s.Code))
	_ = json.NewEncoder(w).Encode(s) // a client that has gone has no use for it
}
