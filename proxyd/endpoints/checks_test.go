package endpoints

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

// verdictSlice returns the slice in which the controller external says who
// fails.
func verdictSlice(failing string) string {
	return fmt.Sprintf("{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: web-external-0-none-0, namespace: my-ns, "+
		"labels: {kubernetes.io/service-name: web, endpointslice.kubernetes.io/managed-by: external.svcreg.io}, "+
		"annotations: {svcreg.io/failing: %q}}, addressType: IPv4, endpoints: []}", failing)
}

// Who fails the checks isn't ready, as long as the service wants checks, and
// stays serving, which tells its pod's own state.
func TestChecks(t *testing.T) {
	f := newFleet(t).init()
	checked := strings.Replace(webService, "name: web,", `name: web, annotations: {svcreg.io/health-check: tcp},`, 1)
	f.put(checked + "\n---\n" + fleetPod("a", "192.0.2.1", "n1", true) + "---\n" + fleetPod("b", "192.0.2.2", "n1", true))
	f.run("node-1")
	const verdict = "EndpointSlice web-external-0-none-0"
	all := []string{
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 ready serving n1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 ready serving n1]",
	}
	out := []string{verdict,
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 serving n1]",
		"Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 n1]",
	}
	f.until("nobody says anything", all...)
	f.put(verdictSlice(`["192.0.2.1:9090","192.0.2.2:8080","192.0.2.3:8080"]`))
	f.until("one fails", out...)
	f.put(verdictSlice(`[]`))
	f.until("none fails", append([]string{verdict}, all...)...)
	f.put(verdictSlice(`["192.0.2.2:8080"]`))
	f.until("one fails again", out...)
	f.put(fleetPod("b", "192.0.2.2", "n1", false))
	f.until("its pod isn't ready", verdict,
		"EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1] [b 192.0.2.2 n1]", out[2])
	f.put(fleetPod("b", "192.0.2.2", "n1", true))
	f.until("its pod is ready", out...)
	f.remove("/registry/endpointslices/my-ns/web-external-0-none-0")
	f.until("nobody checks any more", all...)
	f.put(verdictSlice(`["192.0.2.2:8080"]`))
	f.until("one fails once more", out...)
	f.put(strings.Replace(checked, "selector:", "publishNotReadyAddresses: true, selector:", 1))
	f.until("the service wants all, whatever they are", append([]string{verdict}, all...)...)
	f.put(checked)
	f.until("it wants checks", out...)
	f.put(webService)
	f.until("it wants none", append([]string{verdict}, all...)...)
}

// What the checks say while the controller's own writing is under way is not
// missed.
func TestVerdictBesideOwnWriting(t *testing.T) {
	k := registry.Key{Namespace: "a", Name: "web"}
	slice := func(name, manager, failing string, revision int64) registry.Change {
		e := &registry.Endpoints{Service: k, Meta: registry.Meta{
			Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "a", Name: name}, ModRevision: revision,
			Labels: labels{managedByLabel: manager},
		}}
		if failing != "" {
			e.Annotations = map[string]string{"svcreg.io/failing": failing}
		}
		trim(e)
		return registry.Put(e)
	}
	own := slice("web-pods-0", Manager, "", 40)
	tests := []struct {
		name, said string
		changes    []registry.Change
		want       bool
	}{
		{"as before", `["192.0.2.1:80"]`, []registry.Change{own, slice("web-x", "external.svcreg.io", `["192.0.2.1:80"]`, 39)}, true},
		{"it says more", `[]`, []registry.Change{own, slice("web-x", "external.svcreg.io", `["192.0.2.1:80"]`, 41)}, false},
		{"it went", `["192.0.2.1:80"]`, []registry.Change{own}, false},
		{"others' slices say nothing", "", []registry.Change{own, slice("web-x", "me", "", 41)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			snapshot, _ := (&registry.Snapshot{}).Apply(41, tt.changes...)
			n := &controller{snapshot: snapshot, written: map[registry.Key]receipt{k: {40, 1, tt.said}}}
			if got := n.asWritten(k); got != tt.want {
				t.Errorf("as written: %t, want %t", got, tt.want)
			}
		})
	}
}

// A service that wants checks where they are off gets none, and the log says so
// once.
func TestUnchecked(t *testing.T) {
	f := newFleet(t).init()
	f.unchecked = true
	f.put(strings.Replace(webService, "name: web,", `name: web, annotations: {svcreg.io/health-check: tcp},`, 1) + "\n---\n" +
		"{kind: Service, apiVersion: v1, metadata: {name: other, namespace: my-ns, annotations: {svcreg.io/health-check: none}}, spec: {selector: {app: web}, clusterIP: 10.0.0.11, ports: [{port: 80}]}}")
	f.run("node-1")
	f.untilLogged("that takes the controller external, which is off here\" controller=endpoints service=my-ns/web")
	f.put(fleetPod("a", "192.0.2.1", "n1", true))
	f.until("all the same", "EndpointSlice other-pods-0 :80/TCP [a 192.0.2.1 ready serving n1]", "EndpointSlice web-pods-0 http:8080/TCP [a 192.0.2.1 ready serving n1]",
		"Endpoints other :80/TCP [a 192.0.2.1 ready serving n1]", "Endpoints web http:8080/TCP [a 192.0.2.1 ready serving n1]")
	if n := strings.Count(f.log.String(), "takes the controller external"); n != 1 {
		t.Errorf("it said so %d times:\n%s", n, f.log)
	}
}
