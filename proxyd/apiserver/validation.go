package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	strictjson "sigs.k8s.io/json"
)

// unknownFields returns an error for each field that the API doesn't have. That
// a field has the wrong type is for others to tell.
func (t *target) unknownFields(fields map[string]any) ([]error, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	unknown, _ := strictjson.UnmarshalStrict(text, t.make())
	return unknown, nil
}

// validateFields does about unknown fields what the request asks for: it warns
// of them if that is nothing (kubectl asks for Strict, by default). They are
// stored unless it is an error, since the registry keeps what newer clients
// write.
func (t *target) validateFields(w http.ResponseWriter, q *http.Request, p *proposal) error {
	switch mode := q.URL.Query().Get("fieldValidation"); mode {
	case metav1.FieldValidationIgnore:
	case "", metav1.FieldValidationWarn:
		w.Header().Del("Warning") // of a try before
		for _, err := range p.unknown {
			w.Header().Add("Warning", "299 - "+strconv.QuoteToASCII(err.Error()))
		}
	case metav1.FieldValidationStrict:
		if len(p.unknown) > 0 {
			return apierrors.NewBadRequest(fmt.Sprintf("%s in version \"v1\" cannot be handled as a %s: strict decoding error: %v",
				t.kind, t.kind, strings.ReplaceAll(errors.Join(p.unknown...).Error(), "\n", ", ")))
		}
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("fieldValidation: Invalid value: %q: want Ignore, Warn or Strict", mode))
	}
	return nil
}
