package svcreg

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
)

// reading is what a name says, whether or not it exists, and who asks for it.
// What is not said is "".
type reading struct {
	kind                       string // "svc" or "pod"
	namespace, service         string
	endpoint, port, protocol   string
	zone                       string // of the topology
	clientNamespace, clientPod string
}

// metadataLabels are what other plugins can learn of a query.
var metadataLabels = []struct {
	name string
	of   func(*reading) string
}{
	{pluginName + "/kind", func(r *reading) string { return r.kind }},
	{pluginName + "/namespace", func(r *reading) string { return r.namespace }},
	{pluginName + "/service", func(r *reading) string { return r.service }},
	{pluginName + "/endpoint", func(r *reading) string { return r.endpoint }},
	{pluginName + "/port-name", func(r *reading) string { return r.port }},
	{pluginName + "/protocol", func(r *reading) string { return r.protocol }},
	{pluginName + "/zone", func(r *reading) string { return r.zone }},
	{pluginName + "/client-namespace", func(r *reading) string { return r.clientNamespace }},
	{pluginName + "/client-pod-name", func(r *reading) string { return r.clientPod }},
}

// Metadata implements metadata.Provider. The name is read when the first value
// is asked for, and once.
func (h *handler) Metadata(ctx context.Context, state request.Request) context.Context {
	name := state.Name()
	i, zone, below := h.match(name, 0)
	if zone == nil {
		return ctx
	}
	x := h.stanzas[i].index.Load()
	if x == nil {
		return ctx
	}
	read := sync.OnceValue(func() *reading { return x.read(zone, name, below, clientAddr(state.W)) })
	for _, label := range metadataLabels {
		metadata.SetValueFunc(ctx, label.name, func() string { return label.of(read()) })
	}
	return ctx
}

// read reads a name in lower case, of which below are the labels below the
// zone, and its client.
func (x *index) read(zone *zone, name, below string, client netip.Addr) *reading {
	r := &reading{clientNamespace: x.clientNamespace(client)}
	if pod := x.clientPod(client); pod.Namespace == r.clientNamespace {
		r.clientPod = pod.Name
	}
	n := x.find(zone, name, below)
	labels, last := cutLabel(below)
	switch {
	case x.open(n) && x.bare(zone, below, client) != nil:
		r.kind, r.namespace, r.service = "svc", r.clientNamespace, last
		r.readBelow(labels)
	case reverseName(name), zone.sort == reverseZone, x.origins[zone.number].find(below) != nil:
	case x.schematic(zone, below, last):
		r.kind = last
		r.readName(labels)
	case x.endsShort(zone, last):
		r.kind = "svc"
		r.readName(below)
	}
	return r
}

// schematic reports whether the last of some labels says what they name. It
// can be a namespace too, and is one if only then something has the name.
func (x *index) schematic(zone *zone, below, last string) bool {
	switch {
	case last == "svc", last == "pod" && zone.sort == forwardZone && x.podMode != podsDisabled:
		return x.schema(below) != nil || !x.endsShort(zone, last) || x.names(below) == nil
	}
	return false
}

// endsShort reports whether a label ends short names: it is a namespace.
func (x *index) endsShort(zone *zone, last string) bool {
	return (x.shortNames || zone.sort == publicZone) && x.hasNamespace(last)
}

// readName reads the labels [below.]service.namespace, or [address.]namespace.
func (r *reading) readName(labels string) {
	labels, r.namespace = cutLabel(labels)
	if r.kind == "pod" {
		r.endpoint = labels
		return
	}
	labels, r.service = cutLabel(labels)
	r.readBelow(labels)
}

// readBelow reads the labels in front of a service.
func (r *reading) readBelow(labels string) {
	rest, last := cutLabel(labels)
	switch {
	case last == "_zone":
		r.zone, _ = cutLabel(rest) // in front of what to do without endpoints there
	case strings.HasPrefix(last, "_"):
		r.protocol = last[1:]
		r.port = strings.TrimPrefix(rest, "_")
	case rest == "":
		r.endpoint = last
	}
}
