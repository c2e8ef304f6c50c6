package apilisten

import (
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusal is why a request goes no further, in the words of the Kubernetes API.
type refusal struct {
	code    int32
	reason  metav1.StatusReason
	message string
}

var errUnauthorized = &refusal{http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized"}

func forbidden(message string) *refusal {
	return &refusal{http.StatusForbidden, metav1.StatusReasonForbidden, message}
}

func tooLarge(most int64) *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", most)}
}

// write answers with a Status.
func (e *refusal) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, private")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="svcreg"`)
	}
	w.WriteHeader(int(e.code))
	_ = json.NewEncoder(w).Encode(metav1.Status{ // the client may be gone
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Message: e.message, Reason: e.reason, Code: e.code,
	})
}
