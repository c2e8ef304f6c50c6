package apilisten

import (
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/proxyd/apistatus"
)

// Why a request goes no further.
var errUnauthorized = apistatus.New(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized")

func forbidden(format string, args ...any) *apistatus.Error {
	return apistatus.New(http.StatusForbidden, metav1.StatusReasonForbidden, format, args...)
}
