package external

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

const (
	// SelectedBy is what the slices of package endpoints, which holds those
	// that a service selects, have in the label
	// endpointslice.kubernetes.io/managed-by.
	SelectedBy = "endpoints.svcreg.io"
	// MirrorAnnotation has that value on the Endpoints object that package
	// endpoints keeps beside its slices, for older readers.
	MirrorAnnotation = "svcreg.io/managed-by"
	// FailingAnnotation is a JSON list: which of those endpoints are out of
	// service for failing their checks. They stay where they are, so a slice of
	// this package says so without having any itself, and package endpoints
	// counts them as not ready.
	FailingAnnotation = "svcreg.io/failing"
)

// Wanted reports whether a service with some annotations is to be checked.
func Wanted(annotations map[string]string) bool {
	method := annotations[CheckAnnotation]
	return method != "" && method != "none"
}

// At is what FailingAnnotation calls an endpoint: its address and the first of
// its ports, zero if it has none.
func At(e *registry.Endpoint, ports []registry.EndpointPort) netip.AddrPort {
	var port uint16
	if len(ports) > 0 {
		port = ports[0].Port
	}
	return netip.AddrPortFrom(e.Addr.Unmap(), port)
}

// ParseFailing reads a FailingAnnotation. What can't be read is nobody.
func ParseFailing(text string) map[netip.AddrPort]bool {
	var list []netip.AddrPort
	if json.Unmarshal([]byte(cmp.Or(text, "[]")), &list) != nil {
		return nil
	}
	failing := make(map[netip.AddrPort]bool, len(list))
	for _, at := range list {
		failing[at] = true
	}
	return failing
}

// passing reports whether an endpoint of package endpoints would be ready if it
// passed its checks. These say nothing of whether it serves.
func passing(e *registry.Endpoint) bool { return e.Ready || e.Serving && !e.Terminating }

// selects adds the endpoints of a slice of package endpoints.
func (src *source) selects(slice *registry.Endpoints) {
	if src.pods == nil {
		src.pods = []registry.Subset{}
	}
	for _, subset := range slice.Subsets {
		for i := range subset.Endpoints {
			subset.Endpoints[i].Ready = passing(&subset.Endpoints[i])
		}
		src.pods = append(src.pods, subset)
	}
}

// verdict returns those endpoints of an expansion that are out.
func (x *expansion) verdict() string {
	out := []netip.AddrPort{}
	for i := range x.groups {
		for j := range x.groups[i].endpoints {
			if e := &x.groups[i].endpoints[j]; e.out {
				out = append(out, At(&e.Endpoint, x.groups[i].ports))
			}
		}
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return asJSON(out)
}

// recall adds to a memory what our slice says of selected endpoints. Those that
// aren't in it passed, if whoever asks takes over from another leader; else they
// may be new.
func (m *memory) recall(src *source, takeover bool) {
	for _, slice := range src.own {
		text, told := slice.Annotations[FailingAnnotation]
		if !told {
			continue
		}
		failing := ParseFailing(text)
		for _, subset := range src.pods {
			for i := range subset.Endpoints {
				e := &subset.Endpoints[i]
				if out := failing[At(e, subset.Ports)]; out || takeover && e.Ready {
					m.ready[e.Addr.Unmap()] = !out
				}
			}
		}
	}
}
