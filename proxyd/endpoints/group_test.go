package endpoints

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// describe returns groups as text: the family and the ports, then a line for
// each endpoint.
func describe(groups []group) string {
	var b strings.Builder
	for _, g := range groups {
		family := "IPv4"
		if g.v6 {
			family = "IPv6"
		}
		fmt.Fprintf(&b, "%s %s\n", family, portsText(g.ports))
		for _, e := range g.endpoints {
			fmt.Fprintln(&b, " "+endpointText(&e))
		}
	}
	return b.String()
}

func portsText(ports []registry.EndpointPort) string {
	var texts []string
	for _, p := range ports {
		texts = append(texts, fmt.Sprintf("%s:%d/%s", p.Name, p.Port, p.Protocol))
	}
	return strings.Join(texts, ",")
}

func endpointText(e *registry.Endpoint) string {
	words := []string{e.Target.Name, e.Addr.String()}
	for word, on := range map[string]bool{"ready": e.Ready, "serving": e.Serving, "terminating": e.Terminating} {
		if on {
			words = append(words, word)
		}
	}
	slices.Sort(words[2:])
	for _, word := range []string{e.Hostname, e.Node, e.Zone} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// v1Pod returns a pod that is ready unless it says otherwise; "extra" goes into
// its spec.
func v1Pod(name, ip, extra string) string {
	return fmt.Sprintf("---\n{kind: Pod, apiVersion: v1, metadata: {name: %s, namespace: my-ns, labels: {app: web}}, "+
		"spec: {%s}, status: {podIP: %q, phase: Running, conditions: [{type: Ready, status: \"True\"}]}}\n", name, extra, ip)
}

const (
	v1Service   = "{kind: Service, apiVersion: v1, metadata: {name: web, namespace: my-ns}, spec: {selector: {app: web}, clusterIP: 10.0.0.10, ports: [{port: 80}]}}\n"
	httpAt      = "containers: [{ports: [{name: metrics, containerPort: 9090}, {name: http, containerPort: %d}]}]"
	v1beta1Head = `{"kind":"Service","apiVersion":"v1beta1","namespace":"my-ns","id":"web","portalIP":"10.0.0.10","selector":{"app":"web"},`
)

func TestChoose(t *testing.T) {
	tests := []struct {
		name, manifests, want string
	}{
		{"a number is the port, whatever the containers say", v1Service + v1Pod("a", "192.0.2.1", fmt.Sprintf(httpAt, 8080)),
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving\n"},
		{"a name is looked up in each pod",
			strings.Replace(v1Service, "port: 80", "name: web, port: 80, targetPort: http", 1) +
				v1Pod("a", "192.0.2.1", fmt.Sprintf(httpAt, 8080)) + v1Pod("b", "192.0.2.2", fmt.Sprintf(httpAt, 8081)) + v1Pod("c", "192.0.2.3", fmt.Sprintf(httpAt, 8080)),
			"IPv4 web:8080/TCP\n a 192.0.2.1 ready serving\n c 192.0.2.3 ready serving\nIPv4 web:8081/TCP\n b 192.0.2.2 ready serving\n"},
		{"a name of another protocol, or of none, is no port",
			strings.Replace(v1Service, "port: 80", "port: 80, targetPort: dns", 1) +
				v1Pod("a", "192.0.2.1", "containers: [{ports: [{name: dns, protocol: UDP, containerPort: 53}]}]") + v1Pod("b", "192.0.2.2", ""),
			"IPv4 \n a 192.0.2.1 ready serving\n b 192.0.2.2 ready serving\n"},
		{"v1beta1: no containerPort is the pod's first",
			v1beta1Head + `"port":80,"portName":"x"}` + "\n" + v1Pod("a", "192.0.2.1", fmt.Sprintf(httpAt, 8080)) + v1Pod("b", "192.0.2.2", ""),
			"IPv4 x:80/TCP\n b 192.0.2.2 ready serving\nIPv4 x:9090/TCP\n a 192.0.2.1 ready serving\n"},
		{"v1beta1: in the list it is the service's",
			v1beta1Head + `"ports":[{"port":80}]}` + "\n" + v1Pod("a", "192.0.2.1", fmt.Sprintf(httpAt, 8080)),
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving\n"},
		{"v1beta1 pods", v1Service +
			`---` + "\n" + `{"kind":"Pod","apiVersion":"v1beta1","id":"a","namespace":"my-ns","currentState":{"status":"Running","host":"node-1","podIP":"192.0.2.1","Condition":[{"kind":"Ready","status":"Full"}]}}` + "\n" +
			`---` + "\n" + `{"kind":"Pod","apiVersion":"v1beta2","id":"b","namespace":"my-ns","currentState":{"status":"Running","podIP":"192.0.2.2","Condition":[{"kind":"Ready","status":"None"}]}}` + "\n",
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving node-1 zone-of-node-1\n b 192.0.2.2\n"},
		{"finished pods, and those without an address, serve nobody", v1Service +
			strings.Replace(v1Pod("a", "192.0.2.1", ""), "Running", "Succeeded", 1) + v1Pod("b", "", "") + v1Pod("c", "192.0.2.3", ""),
			"IPv4 :80/TCP\n c 192.0.2.3 ready serving\n"},
		{"terminating pods serve on, but are not ready", v1Service +
			strings.Replace(v1Pod("a", "192.0.2.1", ""), "{name: a", `{deletionTimestamp: "2026-01-01T00:00:00Z", name: a`, 1),
			"IPv4 :80/TCP\n a 192.0.2.1 serving terminating\n"},
		{"publishNotReadyAddresses", strings.Replace(v1Service, "spec: {", "spec: {publishNotReadyAddresses: true, ", 1) +
			strings.Replace(v1Pod("a", "192.0.2.1", ""), `"True"`, `"False"`, 1),
			"IPv4 :80/TCP\n a 192.0.2.1 ready\n"},
		{"a service has its portal IPs' families", v1Service + dualPod("a"),
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving\n"},
		{"dual stack", strings.Replace(v1Service, "clusterIP: 10.0.0.10", `clusterIPs: ["10.0.0.10", "fd00::10"]`, 1) + dualPod("a"),
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving\nIPv6 :80/TCP\n a 2001:db8::1 ready serving\n"},
		{"headless: every family, and hostnames", strings.Replace(v1Service, "10.0.0.10", "None", 1) + dualPod("a") +
			v1Pod("b", "192.0.2.2", "hostname: web-1, subdomain: web") + v1Pod("c", "192.0.2.3", "hostname: other, subdomain: other") + v1Pod("d", "192.0.2.4", "hostname: Bad_, subdomain: web"),
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving\n b 192.0.2.2 ready serving web-1\n c 192.0.2.3 ready serving\n d 192.0.2.4 ready serving\nIPv6 :80/TCP\n a 2001:db8::1 ready serving\n"},
		{"headless, of one family", strings.Replace(v1Service, "10.0.0.10", "None, ipFamilies: [IPv6]", 1) + dualPod("a") + v1Pod("b", "192.0.2.2", ""),
			"IPv6 :80/TCP\n a 2001:db8::1 ready serving\n"},
		{"headless, of the other", strings.Replace(v1Service, "10.0.0.10", "None, ipFamilies: [IPv4]", 1) + dualPod("a"),
			"IPv4 :80/TCP\n a 192.0.2.1 ready serving\n"},
		{"headless without ports", "{kind: Service, apiVersion: v1, metadata: {name: web, namespace: my-ns}, spec: {selector: {app: web}, clusterIP: None}}\n" + v1Pod("a", "192.0.2.1", ""),
			"IPv4 \n a 192.0.2.1 ready serving\n"},
		{"addresses that no service may lead to", v1Service + v1Pod("a", "127.0.0.1", "") + v1Pod("b", "169.254.169.254", "") + v1Pod("c", "224.0.0.1", "") +
			v1Pod("d", "0.0.0.0", "") + v1Pod("e", "255.255.255.255", "") + v1Pod("f", "10.0.0.9", ""),
			""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			service, pods := served(t, tt.manifests)
			groups, refused := choose(service, pods, elsewhere{})
			if diff := cmp.Diff(tt.want, describe(groups)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if want := strings.Contains(tt.name, "may lead"); want && len(refused) != len(pods) || !want && len(refused) > 0 {
				t.Errorf("refused %v", refused)
			}
		})
	}
}

// elsewhere is a registry in which each node has a zone of its own.
type elsewhere struct{}

func (elsewhere) zone(node string) string { return "zone-of-" + node }

func (elsewhere) refuse(addr netip.Addr) string {
	return external.Refused(registry.Build(1, portalNetwork()), addr)
}

func dualPod(name string) string {
	return "---\n{kind: Pod, apiVersion: v1, metadata: {name: " + name + ", namespace: my-ns}, status: {podIP: 192.0.2.1, " +
		"podIPs: [{ip: 192.0.2.1}, {ip: \"2001:db8::1\"}], conditions: [{type: Ready, status: \"True\"}]}}\n"
}

// served returns the one service of some manifests, and all pods.
func served(t *testing.T, manifests string) (*registry.Service, []*registry.Pod) {
	t.Helper()
	s := registrytest.Snapshot(t, manifests)
	return s.Spec(registry.Key{Namespace: "my-ns", Name: "web"}), slices.Collect(s.Pods())
}

// A pod is the same for us whether it stands in JSON or in protobuf.
func TestChooseProtobuf(t *testing.T) {
	service, pods := served(t, v1Service+v1Pod("a", "192.0.2.1", "nodeName: node-1, hostname: web-0, subdomain: web"))
	value := protobufPod(t)
	decoded, err := codec.Decode(pods[0].Ref(), value)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := choose(service, pods, elsewhere{})
	got, _ := choose(service, []*registry.Pod{decoded.(*registry.Pod)}, elsewhere{})
	if diff := cmp.Diff(describe(want), describe(got)); diff != "" {
		t.Errorf("(-JSON +protobuf):\n%s", diff)
	}
}
