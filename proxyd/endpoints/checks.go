package endpoints

import (
	"net/netip"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
)

// verdict returns what the controller external says of a service's endpoints
// that it checks; "" if it says nothing.
func (n *controller) verdict(k registry.Key) string {
	for slice := range n.snapshot.Slices(k) {
		if text := slice.Annotations[external.FailingAnnotation]; text != "" {
			return text
		}
	}
	return ""
}

// withhold takes the endpoints that fail their checks out of service. That they
// serve nevertheless is what their pods say of themselves. A service that wants
// its endpoints whatever they are gets them.
func withhold(s *registry.Service, groups []group, failing map[netip.AddrPort]bool) {
	if s.PublishNotReady || len(failing) == 0 {
		return
	}
	for _, g := range groups {
		for i := range g.endpoints {
			if e := &g.endpoints[i]; failing[external.At(e, g.ports)] {
				e.Ready = false
			}
		}
	}
}
