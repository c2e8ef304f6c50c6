package proxyd

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/svcreg/svcreg/proxyd/announce"
	"github.com/svcreg/svcreg/proxyd/leader"
)

// settings are what the controllers can be told.
func (c *Controllers) settings() []Setting {
	return []Setting{
		{Name: "controllers", Usage: "which controllers to run, separated by commas: external, endpoints, loadbalancer; of the nodes that run one, one at a time does its work", Value: list[string]{&c.Names, text, "names"}},
		{Name: "leader-ttl", Usage: "how long after the sudden death of the node that does a controller's work another takes over", Value: (*period)(&c.LeaderTTL)},
		{Name: "external-resolver", Usage: "address and port of the name server that is asked for endpoints given by name; by default those of /etc/resolv.conf", Value: (*word)(&c.External.Resolver)},
		{Name: "external-min-ttl", Usage: "for how long an answer is used at least", Value: (*period)(&c.External.MinTTL)},
		{Name: "external-max-ttl", Usage: "for how long an answer is used at most", Value: (*period)(&c.External.MaxTTL)},
		{Name: "external-zones", Usage: "DNS zones in which services have names, separated by commas, to tell endpoints that lead to themselves; those of <service>.<namespace>.svc.<zone> are known", Value: list[string]{&c.External.Zones, text, "names"}},
		{Name: "external-panic-share", Usage: "share of a service's endpoints that must pass their health checks, 0 to 1; if fewer do, all stay in", Value: (*share)(&c.External.PanicShare)},
		{Name: "external-max-checks", Usage: "how many health checks may be under way at a time", Value: (*number)(&c.External.MaxChecks)},
		{Name: "endpoints-slice-size", Usage: "how many endpoints an EndpointSlice of the controller endpoints has at most", Value: (*number)(&c.Endpoints.SliceSize)},
		{Name: "endpoints-slices-only", Usage: "write EndpointSlices alone, and no Endpoints objects beside them", Value: (*toggle)(&c.Endpoints.SlicesOnly)},
		{Name: "loadbalancer-grace", Usage: "how long an address is kept for a service that was deleted", Value: (*period)(&c.LoadBalancer.Grace)},
		{Name: "loadbalancer-hook", Usage: "absolute path of a program that is called with add or remove, and the service as JSON, for each that wants a load balancer", Value: (*word)(&c.LoadBalancer.Hook)},
		{Name: "loadbalancer-hook-timeout", Usage: "how long one call of it may take", Value: (*period)(&c.LoadBalancer.HookTimeout)},
		{Name: "announce-interfaces", Usage: "interfaces on which addresses of load balancers are announced, names or patterns such as eth*, separated by commas; by default those in whose subnet an address is", Value: list[string]{&c.Announce.Interfaces, text, "names"}},
		{Name: "announce-ttl", Usage: "how long after a node's sudden death another announces its addresses", Value: (*period)(&c.Announce.TTL)},
		{Name: "announce-settle", Usage: "how long a node that comes, or comes back, leaves addresses with nodes that can announce them", Value: (*period)(&c.Announce.Settle)},
	}
}

// validate reports what is wrong with the settings of controllers.
func (c *Controllers) validate() []error {
	return []error{
		settingError("controllers", checkControllers(c.Names)),
		settingError("leader-ttl", wholeSeconds(c.LeaderTTL, leader.LeastTTL, time.Hour)),
		settingError("external-resolver", checkResolver(c.External.Resolver)),
		settingError("external-min-ttl", between(c.External.MinTTL, time.Millisecond, 24*time.Hour)),
		settingError("external-max-ttl", between(c.External.MaxTTL, c.External.MinTTL, 7*24*time.Hour)),
		settingError("endpoints-slice-size", within(c.Endpoints.SliceSize, 1, 1000)),
		settingError("external-max-checks", within(c.External.MaxChecks, 1, 1<<20)),
		settingError("loadbalancer-grace", between(c.LoadBalancer.Grace, 0, 365*24*time.Hour)),
		settingError("loadbalancer-hook", checkProgram(c.LoadBalancer.Hook)),
		settingError("loadbalancer-hook-timeout", between(c.LoadBalancer.HookTimeout, time.Millisecond, time.Hour)),
		settingError("announce-interfaces", checkPatterns(c.Announce.Interfaces)),
		settingError("announce-ttl", wholeSeconds(c.Announce.TTL, announce.DefaultTTL, time.Hour)),
		settingError("announce-settle", between(c.Announce.Settle, 0, time.Hour)),
	}
}

func checkProgram(file string) error {
	if file != "" && !filepath.IsAbs(file) {
		return want(file, "an absolute path")
	}
	return nil
}

func checkPatterns(patterns []string) error {
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return want(pattern, `the name of an interface, or a pattern such as "eth*"`)
		}
	}
	return nil
}

func checkControllers(names []string) error {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%q stands there twice", name)
		}
		if err := oneOf(name, controllerNames...); err != nil {
			return err
		}
	}
	return nil
}
