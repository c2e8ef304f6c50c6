package iptables

import (
	"fmt"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// RejectedError says that the kernel refused the rules of some services. All
// others are carried out. Trying again helps only once the machine has been
// repaired, so there is no hurry.
type RejectedError struct {
	// Services are those whose rules were refused, sorted.
	Services []registry.Key
	// Errs says why, one for each service.
	Errs []error
}

// Error names each service and why it was refused.
func (e *RejectedError) Error() string {
	var why []string
	for i, s := range e.Services {
		why = append(why, fmt.Sprintf("service %v: %v", s, e.Errs[i]))
	}
	return "rules refused by the kernel: " + strings.Join(why, "; ")
}

// Unwrap returns the single errors.
func (e *RejectedError) Unwrap() []error { return e.Errs }
