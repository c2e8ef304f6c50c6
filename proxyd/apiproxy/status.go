package apiproxy

import (
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apistatus"
	"github.com/svcreg/svcreg/registry"
)

func badRequest(format string, args ...any) *apistatus.Error {
	return apistatus.New(http.StatusBadRequest, metav1.StatusReasonBadRequest, format, args...)
}

func notFound(to registry.Ref) error {
	resource := resourceOf(to)
	return apistatus.New(http.StatusNotFound, metav1.StatusReasonNotFound, "%s %q not found", resource, to.Name).About(resource, to.Name)
}

func forbidden(to registry.Ref) error {
	resource := resourceOf(to)
	return apistatus.New(http.StatusForbidden, metav1.StatusReasonForbidden, "%s %q is forbidden: it may not be proxied to", resource, to.Name).About(resource, to.Name)
}

// resourceOf is what the API calls an object's kind.
func resourceOf(to registry.Ref) string { return strings.ToLower(to.Kind.String()) + "s" }

var errNoPath = apistatus.New(http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")

var errMethod = apistatus.New(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "the server does not allow this method on the requested resource")

var errTooSlow = apistatus.New(http.StatusRequestTimeout, metav1.StatusReasonTimeout, "the rest of the request's body didn't come in time")
