package apiserver

import (
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry/write"
)

// pretend answers a dry run: with what would be stored.
func (s *Server) pretend(w http.ResponseWriter, q *http.Request, t *target, p *proposal, c write.Condition, code int) error {
	d, revision, err := s.config.Store.Preview(q.Context(), p.document, c)
	if err != nil {
		return t.refused(p.document.Ref().Name, err)
	}
	return s.answer(w, t, d, revision, code)
}

// isDry reports whether a request asks for a dry run.
func isDry(values []string) (bool, error) {
	for _, value := range values {
		if value != metav1.DryRunAll {
			return false, apierrors.NewBadRequest(fmt.Sprintf("dryRun: Unsupported value: %q: want %q", value, metav1.DryRunAll))
		}
	}
	return len(values) > 0, nil
}
