package svcreg

import (
	"errors"
	"fmt"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// endpointRules say what endpoints are good for, and what they are called.
type endpointRules struct {
	// none: endpoints are not watched, and headless services have no names.
	none bool
	// ignoreEmpty: services with portal IPs have names only as long as one of
	// their endpoints is ready.
	ignoreEmpty bool
	// podNames: an endpoint without a hostname has its pod's name.
	podNames bool
	// zonal: headless services have names for each topology zone.
	zonal bool
}

// of returns a service with those of its endpoints that count, or nil for one
// that has no name for want of them. A snapshot may have more than is watched.
func (r *endpointRules) of(s *registry.Snapshot, service *registry.Service) *registry.Entry {
	if r.none || !service.Headless && !r.ignoreEmpty {
		return &registry.Entry{Service: service}
	}
	e := s.Entry(service)
	if r.ignoreEmpty && isEmpty(e) {
		return nil
	}
	return e
}

// isEmpty reports whether a service should lead to endpoints, and has none
// that serves.
func isEmpty(e *registry.Entry) bool {
	if e.IsAlias() {
		return false
	}
	for i := range e.Subsets {
		for j := range e.Subsets[i].Endpoints {
			if e.Serves(&e.Subsets[i].Endpoints[j]) {
				return false
			}
		}
	}
	return true
}

// label returns the label under which an endpoint has a name of its own: the
// one it was given, else that of its pod if the stanza says so, else its
// address or its host's name with dashes.
func (r *endpointRules) label(endpoint *registry.Endpoint) string {
	if label := strings.ToLower(endpoint.Hostname); isLabel(label) {
		return label
	}
	if target := &endpoint.Target; r.podNames && target.Kind == "Pod" && isLabel(target.Name) {
		return target.Name
	}
	if !endpoint.Addr.IsValid() {
		return dashedName(endpoint.Host)
	}
	return dashed(endpoint.Addr.Unmap().WithZone(""))
}

// validate reports settings that contradict each other.
func (r *endpointRules) validate() error {
	var needs string
	switch {
	case !r.none:
		return nil
	case r.ignoreEmpty:
		needs = "ignore empty_service"
	case r.podNames:
		needs = "endpoint_pod_names"
	case r.zonal:
		needs = "zonal"
	default:
		return nil
	}
	return errors.New("noendpoints and " + needs + ": want one of them; the latter needs endpoints")
}

func (o *options) setNoEndpoints(args []string) error {
	o.endpoints.none = true
	return none(args)
}

func (o *options) setEndpointPodNames(args []string) error {
	o.endpoints.podNames = true
	return none(args)
}

func (o *options) setIgnore(args []string) error {
	const want = "empty_service"
	text, err := one(args, want)
	if err != nil {
		return err
	}
	if text != want {
		return fmt.Errorf("%s: want %s", text, want)
	}
	o.endpoints.ignoreEmpty = true
	return nil
}

// none refuses the arguments of a property that has none.
func none(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: want no argument", args[0])
	}
	return nil
}
