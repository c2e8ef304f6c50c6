// Package envvars turns the services of a namespace into environment
// variables: those that a kubelet gives to the containers of a pod, and that
// Docker gave to linked containers before.
//
// The package is pure: it reads a snapshot and returns text.
package envvars

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// MasterNamespace is where the services live that every namespace sees.
const MasterNamespace = "default"

// masterServices are the services of MasterNamespace that every namespace
// sees, unless it has one of the same name (kubelet's rule).
var masterServices = []string{"kubernetes", "kubernetes-ro"}

// Var is one environment variable.
type Var struct {
	Name, Value string
}

// Of returns the variables of the services that a process of the namespace
// sees; with names, of those services only. Services come in the order of
// their names, and each service's variables in the kubelet's.
//
// Two services can claim one variable: the DB_SERVICE_PORT of "db" is also the
// Docker link of "db-service". The service that comes first keeps it.
func Of(s *registry.Snapshot, namespace string, names ...string) []Var {
	var vars []Var
	seen := map[string]bool{}
	for _, service := range Services(s, namespace, names...) {
		for _, v := range ofService(service.Service) {
			if validName(v.Name) && !seen[v.Name] {
				seen[v.Name] = true
				vars = append(vars, v)
			}
		}
	}
	return vars
}

// Services returns the services, in the order of their names, that have
// variables in the namespace: its own and the master services, if they have a
// portal IP and a name that can begin a variable's. With names, only services
// of those names are returned.
func Services(s *registry.Snapshot, namespace string, names ...string) []*registry.Entry {
	visible := map[string]*registry.Entry{}
	for _, name := range masterServices {
		add(visible, s.Service(registry.Key{Namespace: MasterNamespace, Name: name}))
	}
	for service := range s.Services() {
		if service.Namespace == namespace {
			add(visible, service)
		}
	}
	var services []*registry.Entry
	for name, service := range visible {
		if len(names) == 0 || slices.Contains(names, name) {
			services = append(services, service)
		}
	}
	slices.SortFunc(services, func(a, b *registry.Entry) int { return strings.Compare(a.Name, b.Name) })
	return services
}

// add makes a service visible if it can have variables.
func add(visible map[string]*registry.Entry, service *registry.Entry) {
	if service != nil && len(service.PortalIPs) > 0 && !service.IsAlias() && validName(variableName(service.Name)) {
		visible[service.Name] = service
	}
}

// ofService returns a service's variables. Where it has two portal IPs, they
// name the first: that of the service's primary address family.
func ofService(s *registry.Service) []Var {
	prefix, addr := variableName(s.Name), s.PortalIPs[0]
	vars := []Var{{prefix + "_SERVICE_HOST", addr.String()}}
	if len(s.Ports) == 0 {
		return vars
	}
	first := prefix + "_SERVICE_PORT"
	vars = append(vars, Var{first, number(s.Ports[0])})
	for _, port := range s.Ports {
		if port.Name != "" {
			vars = append(vars, Var{first + "_" + variableName(port.Name), number(port)})
		}
	}
	return append(vars, dockerLinks(prefix, addr, s.Ports)...)
}

// dockerLinks returns the variables that Docker gave to a container which was
// linked to another.
func dockerLinks(prefix string, addr netip.Addr, ports []registry.Port) []Var {
	vars := []Var{{prefix + "_PORT", url(addr, ports[0])}}
	for _, port := range ports {
		name := prefix + "_PORT_" + number(port) + "_" + string(port.Protocol)
		vars = append(vars,
			Var{name, url(addr, port)},
			Var{name + "_PROTO", strings.ToLower(string(port.Protocol))},
			Var{name + "_PORT", number(port)},
			Var{name + "_ADDR", addr.String()},
		)
	}
	return vars
}

func url(addr netip.Addr, port registry.Port) string {
	return strings.ToLower(string(port.Protocol)) + "://" + net.JoinHostPort(addr.String(), number(port))
}

func number(port registry.Port) string { return strconv.Itoa(int(port.Port)) }

// variableName returns what a DNS label is called in a variable.
func variableName(label string) string {
	return strings.ToUpper(strings.ReplaceAll(label, "-", "_"))
}

// validName reports whether a variable can have that name in every shell
// (POSIX XBD 3.216): letters, digits and underscores, no digit first. Names
// come from etcd, where people write by hand, and go into files that shells
// run.
func validName(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
