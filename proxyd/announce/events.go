package announce

import (
	"fmt"
	"net/netip"

	"github.com/svcreg/svcreg/registry"
)

// Events are told what people should know of a service. They keep nobody
// waiting.
type Events interface {
	Normal(service registry.Key, reason, message string)
	Warning(service registry.Key, reason, message string)
}

// normal tells the services of an address what happens to it.
func (a *agent) normal(addr netip.Addr, reason, format string, args ...any) {
	for _, k := range a.toldOf(addr) {
		a.config.Events.Normal(k, reason, fmt.Sprintf(format, args...))
	}
}

// warn tells them what is wrong.
func (a *agent) warn(addr netip.Addr, reason, format string, args ...any) {
	for _, k := range a.toldOf(addr) {
		a.config.Events.Warning(k, reason, fmt.Sprintf(format, args...))
	}
}

// toldOf returns the services that are told of an address: those that it is
// allocated to. It may be called from any goroutine.
func (a *agent) toldOf(addr netip.Addr) []registry.Key {
	s := a.view.state()
	if s == nil || a.config.Events == nil {
		return nil
	}
	return s.allocated[addr]
}

// contested tells of another host that says it has an address which this node
// announces.
func (a *agent) contested(addr netip.Addr, by mac) {
	a.warn(addr, "DuplicateAddress", "host %v says it has %v, which node %s announces", by, addr, a.node)
}

// ending tells that nothing is announced any more, because of something.
func (a *agent) ending(tell func(addr netip.Addr, reason, format string, args ...any), why string) {
	for addr := range a.speaking {
		tell(addr, "NotAnnouncing", "node %s no longer announces %v: %s", a.node, addr, why)
	}
}

// why says why an address isn't announced any more, of which it is known where
// it should be now.
func why(to []link) string {
	if len(to) == 0 {
		return "it isn't chosen for it any more"
	}
	return "its claim or its interfaces changed"
}
