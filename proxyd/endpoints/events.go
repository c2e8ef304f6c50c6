package endpoints

import (
	"fmt"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Events are told what people should know of a service. They keep nobody
// waiting.
type Events interface {
	Warning(service registry.Key, reason, message string)
}

func (c *Config) warn(service registry.Key, reason, message string) {
	if c.Events != nil {
		c.Events.Warning(service, reason, message)
	}
}

// String says what was refused, and why.
func (r refusal) String() string {
	return fmt.Sprintf("pod %v: %v: %s", r.pod, r.addr, r.reason)
}

// unserved returns the ports of a service, which has endpoints, that none of
// them serves: no pod has a port of the name that is their target.
func unserved(s *registry.Service, groups []group) []registry.Port {
	var ports []registry.Port
	if len(groups) == 0 {
		return nil
	}
	for _, p := range s.Ports {
		serves := func(e registry.EndpointPort) bool { return e.Name == p.Name && e.Protocol == p.Protocol }
		if !slices.ContainsFunc(groups, func(g group) bool { return slices.ContainsFunc(g.ports, serves) }) {
			ports = append(ports, p)
		}
	}
	return ports
}
