package loadbalancer

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// Events are told what people should know of a service. They keep nobody
// waiting.
type Events interface {
	Normal(service registry.Key, reason, message string)
	Warning(service registry.Key, reason, message string)
}

func (c *Config) normal(service registry.Key, reason, message string) {
	if c.Events != nil {
		c.Events.Normal(service, reason, message)
	}
}

func (c *Config) warn(service registry.Key, reason, message string) {
	if c.Events != nil {
		c.Events.Warning(service, reason, message)
	}
}

// origin says where an address comes from.
func (c *controller) origin(a netip.Addr) string {
	if name := c.book.Claim(a).Pool; name != "" {
		return " from pool " + name
	}
	return " from the hook"
}

// tellProblems tells what a service doesn't get, as far as the note on it
// didn't say so before. Of calls that failed the hooks tell.
func (c *controller) tellProblems(p *plan, before Note) {
	for _, problem := range p.problems {
		if strings.Contains(before.Problem, problem) || c.hooks != nil && problem == c.hooks.wrong[p.key] {
			continue
		}
		c.warn(p.key, reasonOf(problem), problem)
	}
}

// reasonOf returns the reason of the event that tells of a problem: no pool has
// an address left, none serves the namespace, or what the service names it
// can't have.
func reasonOf(problem string) string {
	begins := func(text string) bool { return strings.HasPrefix(problem, text) }
	switch {
	case begins("pool "):
		return "PoolExhausted"
	case slices.ContainsFunc([]string{"no pool ", "there are no address pools"}, begins):
		return "NoPool"
	}
	return "AddressNotGiven"
}
