package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// RejectedError says that the kernel refused the rules of some services, which
// are set aside. All others are carried out. Whoever carries rules out returns
// it, alone; a service may be rejected again with each sync. Trying again
// helps only once the service has changed or the machine has been repaired, so
// there is no hurry.
type RejectedError struct {
	// Services has for each service why it was set aside.
	Services map[registry.Key]error
}

// Add sets a service aside, for one more reason.
func (e *RejectedError) Add(service registry.Key, why error) {
	if e.Services == nil {
		e.Services = map[registry.Key]error{}
	}
	e.Services[service] = errors.Join(e.Services[service], why)
}

// Keys returns the services in order.
func (e *RejectedError) Keys() []registry.Key {
	return slices.SortedFunc(maps.Keys(e.Services), registry.Key.Compare)
}

// Error names each service and why it was set aside.
func (e *RejectedError) Error() string {
	var why []string
	for _, k := range e.Keys() {
		lines := strings.ReplaceAll(e.Services[k].Error(), "\n", ", ")
		why = append(why, fmt.Sprintf("service %v: %s", k, lines))
	}
	return "rules refused by the kernel: " + strings.Join(why, "; ")
}

// Unwrap returns why each service was set aside, in the services' order.
func (e *RejectedError) Unwrap() []error {
	var why []error
	for _, k := range e.Keys() {
		why = append(why, e.Services[k])
	}
	return why
}
