package apiproxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// statusError is an error that clients of an apiserver understand: a Status of
// the Kubernetes API (metav1.Status).
type statusError struct {
	code    int
	reason  string // metav1.StatusReason
	message string
	details *details
}

// details name the object of a Status.
type details struct {
	Name string `json:"name,omitempty"`
	Kind string `json:"kind,omitempty"`
}

func (e *statusError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &statusError{code: http.StatusBadRequest, reason: "BadRequest", message: fmt.Sprintf(format, args...)}
}

func unavailable(format string, args ...any) error {
	return &statusError{code: http.StatusServiceUnavailable, reason: "ServiceUnavailable", message: fmt.Sprintf(format, args...)}
}

func tooLarge(most int64) error {
	return &statusError{
		code: http.StatusRequestEntityTooLarge, reason: "RequestEntityTooLarge",
		message: fmt.Sprintf("the body is larger than %d bytes", most),
	}
}

func notFound(to registry.Ref) error {
	resource := strings.ToLower(to.Kind.String()) + "s"
	return &statusError{
		code: http.StatusNotFound, reason: "NotFound",
		message: fmt.Sprintf("%s %q not found", resource, to.Name),
		details: &details{to.Name, resource},
	}
}

func forbidden(to registry.Ref) error {
	resource := strings.ToLower(to.Kind.String()) + "s"
	return &statusError{
		code: http.StatusForbidden, reason: "Forbidden",
		message: fmt.Sprintf("%s %q is forbidden: it may not be proxied to", resource, to.Name),
		details: &details{to.Name, resource},
	}
}

var errNoPath = &statusError{
	code: http.StatusNotFound, reason: "NotFound",
	message: "the server could not find the requested resource",
}

var errMethod = &statusError{
	code: http.StatusMethodNotAllowed, reason: "MethodNotAllowed",
	message: "the server does not allow this method on the requested resource",
}

// write answers with the Status.
func (e *statusError) write(w http.ResponseWriter) {
	body, _ := json.Marshal(struct { // strings and numbers: it can't fail
		Kind       string   `json:"kind"`
		APIVersion string   `json:"apiVersion"`
		Metadata   struct{} `json:"metadata"`
		Status     string   `json:"status"`
		Message    string   `json:"message"`
		Reason     string   `json:"reason"`
		Details    *details `json:"details,omitempty"`
		Code       int      `json:"code"`
	}{"Status", "v1", struct{}{}, "Failure", e.message, e.reason, e.details, e.code})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, private")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.code)
	_, _ = w.Write(append(body, '\n')) // a client that has gone has no use for it
}
