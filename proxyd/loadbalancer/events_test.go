package loadbalancer

import (
	"slices"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// tells waits until just that was told since the last time, in any order.
func (s *site) tells(e *registrytest.Events, lines ...string) {
	s.Helper()
	slices.Sort(lines)
	s.eventually("events", func() string {
		return strings.Join(slices.Sorted(slices.Values(e.Lines())), "\n")
	}, strings.Join(lines, "\n"))
	e.Forget(len(lines))
}

// What a service gets and doesn't get is told when it happens, and not again by
// the next leader.
func TestEvents(t *testing.T) {
	s := newSite(t)
	e := &registrytest.Events{}
	c := s.config("one")
	c.Events = e
	stop := s.run(c)
	s.v1("web", "")
	s.tells(e, "Warning shop/web NoPool there are no address pools: see svcctl pools")
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	s.tells(e, "Normal shop/web AddressAssigned 203.0.113.1 from pool public")
	s.v1("api", "")
	s.tells(e, "Warning shop/api PoolExhausted pool public is full: all its 1 IPv4 addresses are held")
	s.v1("db", `, "loadBalancerIP": "198.51.100.1"`)
	s.tells(e, "Warning shop/db AddressNotGiven address 198.51.100.1: it is in no pool")
	s.v1("db", "", AddressAnnotation+"=198.51.100.1,2001:db8::1") // of which one is news
	s.tells(e, "Warning shop/db AddressNotGiven address 2001:db8::1: it is in no pool")
	s.quiet()
	stop()
	s.run(c)
	s.quiet()
	s.tells(e)
	s.put(specKey("web"), `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}}`)
	s.tells(e, "Normal shop/web AddressFreed 203.0.113.1", "Normal shop/api AddressAssigned 203.0.113.1 from pool public")
}

func TestEventsOfHooks(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	e := &registrytest.Events{}
	c := s.config("one")
	c.Events = e
	c.Hook, _ = s.hook("echo no such thing >&2; exit 3")
	s.run(c)
	s.v1("web", "")
	s.eventually("the note on the service", func() string {
		if strings.Contains(s.note("web"), "no such thing") {
			return "is there"
		}
		return ""
	}, "is there")
	lines := e.Lines()
	for _, line := range lines {
		if strings.Contains(line, "no such thing") && !strings.HasPrefix(line, "Warning shop/web HookFailed ") {
			t.Error(line)
		}
	}
	if len(lines) == 0 {
		t.Error("nothing was told")
	}
}
