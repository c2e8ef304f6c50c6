package write_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// today returns a v1 service of a type.
func today(name, serviceType, spec string) string {
	return fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": %q, "namespace": "my-ns"}, "spec": {"type": %q, %s}}`, name, serviceType, spec)
}

const (
	one = `"ports": [{"port": 80}]`
	// three are two ports that clients expect behind one node port, and
	// another.
	three = `"ports": [{"name": "dns", "port": 53}, {"name": "dns-udp", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80}]`
)

// onNode is a port spec that names its node port.
func onNode(port int) string { return fmt.Sprintf(`"ports": [{"port": 80, "nodePort": %d}]`, port) }

// nodePorts returns the node ports of a stored service, the one for health
// checks last.
func (s *store) nodePorts(name string) []int {
	s.t.Helper()
	ref := serviceRef("my-ns", name)
	object, err := codec.Decode(ref, []byte(s.get(s.layout.Key(ref))))
	s.must(err)
	service := object.(*registry.Service)
	var ports []int
	for _, p := range service.Ports {
		ports = append(ports, int(p.NodePort))
	}
	return append(ports, int(service.HealthCheckNodePort))
}

// wantNodePorts checks the node ports of a service: "0" is none, and a letter one
// that was given, which is the same each time and no other's.
func (s *store) wantNodePorts(name, want string, known map[string]int) {
	s.t.Helper()
	got := s.nodePorts(name)
	texts := strings.Fields(want)
	if len(got) != len(texts) {
		s.t.Fatalf("%s has node ports %v, want %s", name, got, want)
	}
	for i, text := range texts {
		number, err := strconv.Atoi(text)
		if err == nil && number != 0 {
			known[text] = number
		} else if err != nil {
			number = known[text]
			if _, ok := known[text]; !ok && got[i] >= 30000 && got[i] <= 32767 {
				for letter, other := range known {
					if other == got[i] {
						s.t.Errorf("%s is also %s: %d", text, letter, other)
					}
				}
				known[text], number = got[i], got[i]
			}
		}
		if got[i] != number {
			s.t.Errorf("%s has node ports %v, want %s with %v", name, got, want, known)
		}
	}
}

// Each case is a service that is applied in one form after the other.
func TestNodePorts(t *testing.T) {
	const lb = "LoadBalancer"
	type step struct{ manifest, want string }
	tests := []struct {
		name  string
		steps []step
	}{
		{"given and kept", []step{
			{today("web", "NodePort", three), "a a b 0"},
			{today("web", "NodePort", strings.Replace(three, `80`, `80, "targetPort": 8080`, 1)), "a a b 0"},
			{today("web", "NodePort", strings.Replace(three, `80`, `81`, 1)), "a a b 0"},     // by its name
			{today("web", "NodePort", strings.Replace(three, `"web"`, `"x"`, 1)), "a a c 0"}, // neither
		}},
		{"kept under another name", []step{
			{today("web", "NodePort", three), "a a b 0"},
			{today("web", "NodePort", strings.Replace(three, `"web"`, `"x"`, 1)), "a a b 0"},
		}},
		{"a name goes before a number", []step{
			{today("web", "NodePort", `"ports": [{"name": "a", "port": 80}]`), "a 0"},
			{today("web", "NodePort", `"ports": [{"name": "b", "port": 80}, {"name": "a", "port": 81}]`), "b a 0"},
		}},
		{"a single port that gets a name", []step{
			{today("web", "NodePort", one), "a 0"},
			{today("web", "NodePort", `"ports": [{"name": "a", "port": 80}]`), "a 0"},
		}},
		{"another port names what one had", []step{
			{today("web", "NodePort", `"ports": [{"name": "a", "port": 80, "nodePort": 30080}]`), "30080 0"},
			{today("web", "NodePort", `"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30080}]`), "a 30080 0"},
		}},
		{"another number", []step{
			{today("web", "NodePort", onNode(30080)), "30080 0"},
			{today("web", "NodePort", onNode(30081)), "30081 0"},
			{today("web", "NodePort", one), "30081 0"},
		}},
		{"shared with one that is named", []step{
			{today("web", "NodePort", strings.Replace(three, `"UDP"`, `"UDP", "nodePort": 30053`, 1)), "30053 30053 b 0"},
		}},
		{"none is no wish", []step{{today("web", "NodePort", onNode(0)), "a 0"}}},
		{"not needed any more", []step{
			{today("web", "NodePort", three), "a a b 0"},
			{today("web", "ClusterIP", three), "0 0 0 0"},
		}},
		{"not needed any more, but named", []step{
			{today("web", "NodePort", onNode(30080)), "30080 0"},
			{today("web", "ClusterIP", onNode(30080)), "0 0"},
		}},
		{"named without need", []step{
			{today("web", "ClusterIP", onNode(99)+`, "healthCheckNodePort": 98`), "0 0"},
			{today("web", "NodePort", one), "a 0"},
		}},
		{"headless", []step{{today("web", "NodePort", one+`, "clusterIP": "None"`), "0 0"}}},
		{"a load balancer", []step{
			{today("web", lb, one), "0 0"},
			{today("web", lb, one+`, "allocateLoadBalancerNodePorts": true`), "a 0"},
			{today("web", lb, one+`, "allocateLoadBalancerNodePorts": true, "sessionAffinity": "ClientIP"`), "a 0"},
			{today("web", lb, one+`, "allocateLoadBalancerNodePorts": false`), "0 0"},
			{today("web", lb, onNode(30080)), "30080 0"},
			{today("web", lb, one), "0 0"},
		}},
		{"no wish for them is carried over", []step{
			{today("web", lb, one+`, "allocateLoadBalancerNodePorts": true`), "a 0"},
			{today("web", lb, one), "0 0"},
		}},
		{"health checks", []step{
			{today("web", lb, one+`, "externalTrafficPolicy": "Local"`), "0 a"},
			{today("web", lb, one+`, "externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP"`), "0 a"},
			{today("web", lb, one), "0 0"},
			{today("web", lb, one+`, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30010`), "0 30010"},
			{today("web", "NodePort", onNode(30010)+`, "externalTrafficPolicy": "Local"`), "30010 0"},
			{today("web", lb, onNode(30010)+`, "externalTrafficPolicy": "Local"`), "30010 b"},
		}},
		{"health checks of a port that is now another's", []step{
			{today("web", lb, one+`, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30010`), "0 30010"},
			{today("web", lb, onNode(30010)+`, "externalTrafficPolicy": "Local"`), "30010 a"},
		}},
		{"a port that is now for health checks", []step{
			{today("web", "NodePort", onNode(30080)), "30080 0"},
			{today("web", lb, one+`, "allocateLoadBalancerNodePorts": true, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30080`), "a 30080"},
		}},
		{"v1beta1 has none", []step{{v1beta1("web", `, "createExternalLoadBalancer": true`), "0 0"}}},
		{"v1beta3", []step{
			{`{"kind": "Service", "apiVersion": "v1beta3", "metadata": {"name": "web", "namespace": "my-ns"}, "spec": {"type": "NodePort", ` + one + `}}`, "a 0"},
			{`{"kind": "Service", "apiVersion": "v1beta3", "metadata": {"name": "web", "namespace": "my-ns"}, "spec": {"createExternalLoadBalancer": true, ` + one + `}}`, "0 0"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, known := newStore(t, "10.0.0.0/24"), map[string]int{}
			for _, step := range tt.steps {
				_, err := s.apply(step.manifest)
				s.must(err)
				s.wantNodePorts("web", step.want, known)
				s.want(write.Unchanged, step.manifest)
			}
		})
	}
}

func TestNodePortErrors(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, today("web", "NodePort", onNode(30080)))
	s.put("/registry/services/specs/other/by-hand", today("by-hand", "LoadBalancer", onNode(30081)+`, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30082`))
	for _, tt := range []struct{ spec, want string }{
		{onNode(30080), "apply Service my-ns/new: spec.ports[0].nodePort: 30080: provided port is already allocated: service my-ns/web holds it"},
		{onNode(30081), "30081: provided port is already allocated: service other/by-hand holds it"},
		{onNode(30082), "30082: provided port is already allocated: service other/by-hand holds it"},
		{`"externalTrafficPolicy": "Local", "healthCheckNodePort": 30080, ` + one, "spec.healthCheckNodePort: 30080: provided port is already allocated: service my-ns/web holds it"},
		{`"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2, "nodePort": 29999}]`, "spec.ports[1].nodePort: 29999: provided port is not in the valid range. The range of valid ports is 30000-32767"},
		{onNode(32768), "32768: provided port is not in the valid range"},
	} {
		err := s.refused(today("new", "LoadBalancer", tt.spec), tt.want)
		if _, ok := errors.AsType[*write.NodePortError](err); !ok {
			t.Errorf("%v is not a NodePortError", err)
		}
	}
	s.want(write.Created, today("new", "ClusterIP", onNode(30080))) // where it leads nowhere
	s.refused(today("new", "NodePort", onNode(30080)), "service my-ns/web holds it")
}

// A node port is free when nobody names it any more, however that came.
func TestNodePortsAreFreed(t *testing.T) {
	tests := []struct {
		name string
		free func(*store)
	}{
		{"the service is deleted", func(s *store) { s.must(s.Delete(s.t.Context(), serviceRef("my-ns", "web"))) }},
		{"it is deleted by hand", func(s *store) { s.remove("/registry/services/specs/my-ns/web") }},
		{"its type changes", func(s *store) { s.want(write.Configured, today("web", "ClusterIP", one)) }},
		{"it has another", func(s *store) { s.want(write.Configured, today("web", "NodePort", onNode(30081))) }},
		{"the port is gone", func(s *store) {
			s.want(write.Configured, today("web", "NodePort", `"ports": [{"name": "x", "port": 1, "nodePort": 30081}]`))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, "10.0.0.0/24")
			s.want(write.Created, today("web", "NodePort", onNode(30080)))
			s.refused(today("new", "NodePort", onNode(30080)), "my-ns/web holds it")
			tt.free(s)
			s.want(write.Created, today("new", "NodePort", onNode(30080)))
		})
	}
}

func TestNodePortRange(t *testing.T) {
	s := newStore(t)
	s.failed(s.SetNodePorts(t.Context(), write.PortRange{First: 100, Last: 101}), "set the node ports of /registry", "svcctl init")
	s.must(s.Init(t.Context(), prefixes("10.0.0.0/24")...))
	s.failed(s.SetNodePorts(t.Context(), write.PortRange{First: 2, Last: 1}), `"2-1": want the first and the last port, such as 30000-32767`)
	revision := s.revision()
	s.must(s.SetNodePorts(t.Context(), write.DefaultNodePorts))
	if s.revision() != revision {
		t.Error("the range that holds anyway was written")
	}
	s.want(write.Created, today("old", "NodePort", onNode(30080)))
	s.must(s.SetNodePorts(t.Context(), write.PortRange{First: 100, Last: 101}))
	if value := s.get("/registry/svcreg/nodeports"); value != `{"range":"100-101"}` {
		t.Errorf("stored: %s", value)
	}

	s.want(write.Created, today("a", "NodePort", one))
	s.want(write.Created, today("b", "NodePort", one))
	if a, b := s.nodePorts("a")[0], s.nodePorts("b")[0]; a+b != 201 || a*b != 10100 {
		t.Errorf("node ports %d and %d, want 100 and 101", a, b)
	}
	s.refused(today("c", "NodePort", one), "apply Service my-ns/c: spec.ports[0].nodePort: range is full: all 2 ports of 100-101 are held")
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "a")))
	s.want(write.Created, today("c", "NodePort", one))
	s.want(write.Configured, today("old", "NodePort", onNode(30080)+`, "sessionAffinity": "ClientIP"`)) // what it has it keeps

	s.put("/registry/svcreg/nodeports", `{"range": "many"}`)
	s.refused(today("d", "NodePort", one), `node ports at /registry/svcreg/nodeports: "many": want the first and the last port`)
	s.must(s.SetNodePorts(t.Context(), write.PortRange{First: 1, Last: 65535}))
	s.want(write.Created, today("d", "NodePort", onNode(65535)))
}

func TestNodePortsOfOneServiceDiffer(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.must(s.SetNodePorts(t.Context(), write.PortRange{First: 100, Last: 102}))
	s.want(write.Created, today("web", "NodePort", `"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "c", "port": 3}]`))
	got := s.nodePorts("web")[:3]
	slices.Sort(got)
	if !slices.Equal(got, []int{100, 101, 102}) {
		t.Errorf("node ports %v", got)
	}
}

func TestParsePortRange(t *testing.T) {
	for text, ok := range map[string]bool{
		"30000-32767": true, "1-1": true, "1-65535": true,
		"": false, "1": false, "-": false, "0-1": false, "2-1": false, "1-65536": false, "1-2-3": false, "a-b": false,
	} {
		if r, err := write.ParsePortRange(text); (err == nil) != ok || ok && r.String() != text {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
}

// Node ports are given in a registry of svcreg's own alone; in any other a
// service keeps those that it has.
func TestNodePortsInOtherRegistries(t *testing.T) {
	foreign := func(s *store) {
		s.put("/registry/masterleases/192.0.2.1", "k8s\x00")
		s.Writer = s.another(write.Options{WriteToKubernetes: true})
	}
	for name, prepare := range map[string]func(*store){
		"nobody's":       func(s *store) { s.remove("/registry/svcreg/owner") },
		"an apiserver's": foreign,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, "10.0.0.0/24")
			prepare(s)
			s.want(write.Created, today("web", "NodePort", one))
			s.wantNodePorts("web", "0 0", map[string]int{})
			s.want(write.Configured, today("web", "NodePort", onNode(8080)))
			s.want(write.Configured, today("web", "NodePort", one+`, "sessionAffinity": "ClientIP"`))
			s.wantNodePorts("web", "8080 0", map[string]int{})
			if s.get("/registry/svcreg/nodeports") != "" {
				t.Error("a range was written")
			}
		})
	}
}

// TestNodePortsInProtobuf is about a service that somebody applied as an
// apiserver stores it.
func TestNodePortsInProtobuf(t *testing.T) {
	raw, err := (&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "my-ns"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, ClusterIP: "10.0.0.9", ClusterIPs: []string{"10.0.0.9"},
			Ports: []corev1.ServicePort{{Name: "a", Port: 80}, {Name: "b", Port: 81, NodePort: 30081}},
		},
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "Service"}, Raw: raw}
	value, err := unknown.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/web.pb"
	if err := os.WriteFile(file, append([]byte("k8s\x00"), value...), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, known := newStore(t, "10.0.0.0/24"), map[string]int{}
	for _, want := range []write.Outcome{write.Created, write.Unchanged} {
		s.want(want, string(text))
		s.wantNodePorts("web", "a 30081 0", known)
	}
	if stored := s.get("/registry/services/specs/my-ns/web"); !strings.HasPrefix(stored, "k8s\x00") {
		t.Errorf("protobuf was stored as %q", stored)
	}
}

// A preview shows a node port, and takes none.
func TestNodePortPreview(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	before := s.revision()
	d, _, err := s.Preview(t.Context(), document(t, today("web", "NodePort", one)), write.Condition{})
	s.must(err)
	object, err := d.Object()
	s.must(err)
	if port := object.(*registry.Service).Ports[0].NodePort; !strings.HasPrefix(strconv.Itoa(int(port)), "3") || s.revision() != before {
		t.Errorf("node port %d; revision %d, before %d", port, s.revision(), before)
	}
}
