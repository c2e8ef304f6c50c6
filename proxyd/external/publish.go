package external

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcreg/svcreg/registry"
)

// sliceSize is how many endpoints a slice should have at most, or nearly so.
const sliceSize = 200

// label is what a hostname must be, to be a part of a DNS name.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// group are endpoints that have the same ports.
type group struct {
	ports     []registry.EndpointPort
	endpoints []outside
	seen      map[netip.Addr]int // where each address stands
}

// outside is an endpoint with an address.
type outside struct {
	registry.Endpoint
	host string // the name that it was given by, if it was
	out  bool   // it would be ready, but fails its checks
}

// expansion is a service's endpoints with all names resolved, each address once
// in a group, and those refused that nobody should send to.
type expansion struct {
	groups  []group
	remarks []string
	refused int
}

// expand resolves the endpoints of a source. The answer to a name, and why an
// address is refused, are asked for.
func expand(src *source, resolve func(host string) ([]netip.Addr, string), refuse func(netip.Addr) string) *expansion {
	x := &expansion{remarks: slices.Clone(src.remarks)}
	for _, subset := range src.valid() {
		i := slices.IndexFunc(x.groups, func(g group) bool { return slices.Equal(g.ports, subset.Ports) })
		if i < 0 {
			i = len(x.groups)
			x.groups = append(x.groups, group{ports: subset.Ports, seen: map[netip.Addr]int{}})
		}
		for _, e := range subset.Endpoints {
			fit, refused, all := 0, x.refused, x.resolved(e, resolve)
			for _, one := range all {
				if x.add(&x.groups[i], src, one, refuse) {
					fit++
				}
			}
			if fit == 0 && refused == x.refused && len(all) > 0 {
				x.remarks = append(x.remarks, "not used: "+e.Host+" has only addresses of another family than the service")
			}
		}
	}
	slices.Sort(x.remarks)
	x.remarks = slices.Compact(x.remarks)
	return x
}

// valid returns the subsets as slices may have them. Where one of several ports
// has no name, which people's own Endpoints may have, each port that serves one
// of the service's gets a subset of its own.
func (src *source) valid() []registry.Subset {
	if src.selected {
		return src.subsets
	}
	var all []registry.Subset
	for _, s := range src.subsets {
		if len(s.Ports) < 2 || !slices.ContainsFunc(s.Ports, func(p registry.EndpointPort) bool { return p.Name == "" }) {
			all = append(all, s)
			continue
		}
		for i, p := range s.Ports {
			if slices.ContainsFunc(src.service.Ports, func(of registry.Port) bool { return of.Name == p.Name && of.Protocol == p.Protocol }) {
				all = append(all, registry.Subset{Endpoints: s.Endpoints, Ports: s.Ports[i : i+1]})
			}
		}
	}
	return all
}

// resolved returns an endpoint with each of its addresses.
func (x *expansion) resolved(e registry.Endpoint, resolve func(string) ([]netip.Addr, string)) []outside {
	if e.Host == "" {
		return []outside{{Endpoint: e}}
	}
	addrs, remark := resolve(e.Host)
	if remark != "" {
		x.remarks = append(x.remarks, remark)
	}
	var all []outside
	for _, addr := range addrs {
		one := outside{Endpoint: e, host: e.Host}
		one.Addr, one.Host = addr, ""
		if one.Target == (registry.Target{}) {
			one.Target = registry.Target{Kind: registry.TargetHost, Key: registry.Key{Name: e.Host}}
		}
		all = append(all, one)
	}
	return all
}

// add adds an endpoint to a group, unless it is refused or of a family that the
// service has no address of. It returns whether the endpoint is in.
func (x *expansion) add(g *group, src *source, one outside, refuse func(netip.Addr) string) bool {
	one.Addr = one.Addr.Unmap()
	if one.Hostname != "" && !label.MatchString(one.Hostname) {
		one.Hostname = ""
	}
	if reason := refuse(one.Addr); reason != "" {
		x.refused++
		text := refusal + one.Addr.String() + ": " + reason
		if one.host != "" {
			text = refusal + one.host + " is " + one.Addr.String() + ": " + reason
		}
		x.remarks = append(x.remarks, text)
		return false
	}
	portals := src.service.PortalIPs
	if one.host != "" && len(portals) > 0 && !slices.ContainsFunc(portals, func(a netip.Addr) bool { return a.Unmap().Is4() == one.Addr.Is4() }) {
		return false
	}
	first, again := g.seen[one.Addr]
	switch {
	case !again:
		g.seen[one.Addr] = len(g.endpoints)
		g.endpoints = append(g.endpoints, one)
	case one.Ready && !g.endpoints[first].Ready:
		g.endpoints[first] = one
	}
	return true
}

// slicesOf returns the slices of a service. There is at least one, which says
// what there is to say: names and remarks.
func slicesOf(k registry.Key, groups []group, remarks []string, names map[string][]netip.Addr) []*registry.Endpoints {
	var all []*registry.Endpoints
	add := func(name string, subsets ...registry.Subset) {
		all = append(all, &registry.Endpoints{
			Meta: registry.Meta{
				Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: k.Namespace, Name: k.Name + "-external" + name},
				Labels: map[string]string{discoveryv1.LabelManagedBy: ManagedBy, discoveryv1.LabelServiceName: k.Name},
			},
			Service: k, Subsets: subsets,
		})
	}
	for i, g := range groups {
		for _, family := range []string{"ipv4", "ipv6"} {
			members := slices.DeleteFunc(slices.Clone(g.endpoints), func(o outside) bool { return o.Addr.Is4() != (family == "ipv4") })
			for j, part := range divide(members) {
				if len(part) > 0 {
					add(fmt.Sprintf("-%d-%s-%d", i, family, j), registry.Subset{Ports: g.ports, Endpoints: part})
				}
			}
		}
	}
	if len(all) == 0 {
		add("-0-none-0")
	}
	all[0].Annotations = map[string]string{RemarksAnnotation: asJSON(remarks)}
	if len(names) > 0 {
		all[0].Annotations[NamesAnnotation] = asJSON(names)
	}
	return all
}

// divide spreads endpoints over as many slices as they need, a power of two. An
// endpoint stays in its slice as long as their number stays.
func divide(members []outside) [][]registry.Endpoint {
	n := 1
	for n*sliceSize < len(members) {
		n *= 2
	}
	parts := make([][]registry.Endpoint, n)
	for _, m := range members {
		hash := fnv.New32a()
		_, _ = hash.Write(m.Addr.AsSlice())
		i := int(hash.Sum32()) & (n - 1)
		parts[i] = append(parts[i], m.Endpoint)
	}
	for _, part := range parts {
		slices.SortFunc(part, func(a, b registry.Endpoint) int { return a.Addr.Compare(b.Addr) })
	}
	return parts
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and addresses only
	}
	return string(text)
}

// Remarks returns what a slice of this package says about its service's
// endpoints; nothing for other slices.
func Remarks(slice *registry.Endpoints) []string {
	var remarks []string
	if !own(slice) || json.Unmarshal([]byte(cmp.Or(slice.Annotations[RemarksAnnotation], "[]")), &remarks) != nil {
		return nil
	}
	return remarks
}

// Failing yields the endpoints that fail their checks, as a slice of this
// package says, and why.
func Failing(slice *registry.Endpoints) iter.Seq2[netip.Addr, string] {
	return func(yield func(netip.Addr, string) bool) {
		for _, remark := range Remarks(slice) {
			if at, reason, ok := splitFailing(remark); ok && !yield(at.Addr(), reason) {
				return
			}
		}
	}
}

// Names returns the DNS names that the endpoints of this package's slices come
// from, with their last good answers.
func Names(slice *registry.Endpoints) map[string][]netip.Addr {
	var names map[string][]netip.Addr
	if !own(slice) || json.Unmarshal([]byte(cmp.Or(slice.Annotations[NamesAnnotation], "{}")), &names) != nil {
		return nil
	}
	return names
}

// shorten returns the first of many remarks, and how many there are beside.
func shorten(remarks []string, most int) []string {
	if len(remarks) <= most {
		return remarks
	}
	return append(slices.Clone(remarks[:most]), fmt.Sprintf("and %d more", len(remarks)-most))
}

// failing returns the remark on an endpoint that fails its checks.
func failing(at netip.AddrPort, reason string) string {
	return fmt.Sprintf("failing: %v: %s", at, reason)
}

// splitFailing is the reverse of failing.
func splitFailing(remark string) (at netip.AddrPort, reason string, ok bool) {
	text, ok := strings.CutPrefix(remark, "failing: ")
	if !ok {
		return at, "", false
	}
	text, reason, _ = strings.Cut(text, ": ")
	at, err := netip.ParseAddrPort(text)
	return at, reason, err == nil
}
