package codec

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcreg/svcreg/registry"
)

var (
	serviceRef = ref(registry.KindService, "my-ns", "my-service")
	port80     = []registry.Port{{Protocol: registry.TCP, Port: 80}}
)

// serviceTest is a stored Service and what it means; the metadata and the
// default type are left out.
type serviceTest struct {
	name, value string
	want        registry.Service
}

func (tt *serviceTest) run(t *testing.T) {
	t.Helper()
	o, err := Decode(serviceRef, []byte(tt.value))
	if err != nil {
		t.Fatal(err)
	}
	if tt.want.Type == "" {
		tt.want.Type = registry.ClusterIP
	}
	if diff := cmp.Diff(&tt.want, o, ignoreEncoding, cmpopts.IgnoreTypes(registry.Meta{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", tt.value, diff)
	}
}

func TestServiceV1beta1(t *testing.T) {
	tests := []serviceTest{
		{"flat port, TCP by default, a null selector", `{"kind":"Service","apiVersion":"v1beta1","id":"x","port":80}`,
			registry.Service{Ports: port80}},
		{"an empty selector is not null", `{"kind":"Service","apiVersion":"v1beta1","id":"x","ports":[{"port":80}],"selector":{}}`,
			registry.Service{Ports: port80, Selector: map[string]string{}}},
		{"flat port of pods: the first that they have", `{"kind":"Service","apiVersion":"v1beta2","id":"x","port":80,"selector":{}}`,
			registry.Service{Ports: []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: registry.FirstPort}}, Selector: map[string]string{}}},
		{"null says the same as nothing", `{"kind":"Service","apiVersion":"v1beta1","id":"x","port":80,"selector":null,"ports":null,"publicIPs":null,"portalIP":""}`,
			registry.Service{Ports: port80}},
		{"all of the flat form", `{"kind":"Service","apiVersion":"v1beta1","id":"x","port":53,"portName":"dns","protocol":"UDP",
			"containerPort":"dns-port","proxyPort":40000,"selector":{"app":"dns"},"portalIP":"10.0.0.11",
			"publicIPs":["198.51.100.1","2001:db8::1"],"sessionAffinity":"ClientIP","createExternalLoadBalancer":true}`,
			registry.Service{
				Type:      registry.LoadBalancer,
				Ports:     []registry.Port{{Name: "dns", Protocol: registry.UDP, Port: 53, TargetPort: "dns-port"}},
				Selector:  map[string]string{"app": "dns"},
				PortalIPs: addrs("10.0.0.11"), PublicIPs: addrs("198.51.100.1", "2001:db8::1"),
				AffinityTimeout: 3 * time.Hour,
			}},
		{"containerPort a number", `{"apiVersion":"v1beta1","id":"x","port":80,"containerPort":8080}`,
			registry.Service{Ports: []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: "8080"}}}},
		{"containerPort a number in a string", `{"apiVersion":"v1beta1","id":"x","port":80,"containerPort":"8080"}`,
			registry.Service{Ports: []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: "8080"}}}},
		{"containerPort unset in three ways", `{"apiVersion":"v1beta1","id":"x","ports":[{"name":"a","port":1,"containerPort":0},{"name":"b","port":2,"containerPort":""},{"name":"c","port":3,"containerPort":null}]}`,
			registry.Service{Ports: []registry.Port{
				{Name: "a", Protocol: registry.TCP, Port: 1}, {Name: "b", Protocol: registry.TCP, Port: 2}, {Name: "c", Protocol: registry.TCP, Port: 3},
			}}},
		{"ports win over the flat form", `{"apiVersion":"v1beta1","id":"x","port":1,"portName":"no","protocol":"UDP","containerPort":2,
			"ports":[{"name":"http","port":80,"containerPort":8080},{"name":"dns","protocol":"UDP","port":53}]}`,
			registry.Service{Ports: []registry.Port{
				{Name: "http", Protocol: registry.TCP, Port: 80, TargetPort: "8080"}, {Name: "dns", Protocol: registry.UDP, Port: 53},
			}}},
		{"headless", `{"apiVersion":"v1beta1","id":"x","port":80,"portalIP":"None"}`,
			registry.Service{Ports: port80, Headless: true}},
		{"no affinity", `{"apiVersion":"v1beta1","id":"x","port":80,"sessionAffinity":"None"}`, registry.Service{Ports: port80}},
		{"no port at all", `{"apiVersion":"v1beta1","id":"x"}`, registry.Service{}},
		{"lower-case protocol", `{"apiVersion":"v1beta1","id":"x","port":80,"protocol":"tcp"}`, registry.Service{Ports: port80}},
		{"v1beta2 is the same", `{"kind":"Service","apiVersion":"v1beta2","id":"x","port":80,"portalIP":"10.0.0.1"}`,
			registry.Service{Ports: port80, PortalIPs: addrs("10.0.0.1")}},
		{"IPv4 in IPv6 clothes", `{"apiVersion":"v1beta1","id":"x","port":80,"portalIP":"::ffff:10.0.0.1","publicIPs":["::ffff:198.51.100.1"]}`,
			registry.Service{Ports: port80, PortalIPs: addrs("10.0.0.1"), PublicIPs: addrs("198.51.100.1")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestServiceV1beta3(t *testing.T) {
	tests := []serviceTest{
		{"all fields", `{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"x"},"spec":{
			"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080,"nodePort":30080},{"name":"dns","protocol":"UDP","port":53,"targetPort":"dns"}],
			"selector":{"app":"web"},"portalIP":"10.0.0.11","createExternalLoadBalancer":true,
			"publicIPs":["198.51.100.1"],"sessionAffinity":"ClientIP"},
			"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"},{"hostname":"lb.example.org"}]}}}`,
			registry.Service{
				Type: registry.LoadBalancer,
				Ports: []registry.Port{
					{Name: "http", Protocol: registry.TCP, Port: 80, TargetPort: "8080", NodePort: 30080},
					{Name: "dns", Protocol: registry.UDP, Port: 53, TargetPort: "dns"},
				},
				Selector:  map[string]string{"app": "web"},
				PortalIPs: addrs("10.0.0.11"), PublicIPs: addrs("198.51.100.1"), LoadBalancerIPs: addrs("203.0.113.1"),
				AffinityTimeout: 3 * time.Hour,
			}},
		{"type wins over createExternalLoadBalancer", `{"apiVersion":"v1beta3","metadata":{"name":"x"},"spec":{"type":"NodePort","createExternalLoadBalancer":true}}`,
			registry.Service{Type: registry.NodePort}},
		{"headless", `{"apiVersion":"v1beta3","metadata":{"name":"x"},"spec":{"portalIP":"None","selector":{}}}`,
			registry.Service{Headless: true, Selector: map[string]string{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestServiceV1(t *testing.T) {
	spec := func(fields string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{"name":"x"},"spec":{` + fields + `}}`
	}
	tests := []serviceTest{
		{"clusterIP alone", spec(`"clusterIP":"10.0.0.1"`), registry.Service{PortalIPs: addrs("10.0.0.1")}},
		{"clusterIP and clusterIPs", spec(`"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"]`),
			registry.Service{PortalIPs: addrs("10.0.0.1", "fd00::1")}},
		{"clusterIPs alone", spec(`"clusterIPs":["fd00::1","10.0.0.1"]`), registry.Service{PortalIPs: addrs("fd00::1", "10.0.0.1")}},
		{"headless", spec(`"clusterIP":"None","clusterIPs":["None"]`), registry.Service{Headless: true}},
		{"headless, of one family", spec(`"clusterIP":"None","ipFamilies":["IPv6"]`), registry.Service{Headless: true, OnlyIPv6: true}},
		{"headless, single stack", spec(`"clusterIP":"None","ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4"]`), registry.Service{Headless: true, OnlyIPv4: true}},
		{"headless, with one family preferred", spec(`"clusterIP":"None","ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6"]`), registry.Service{Headless: true}},
		{"headless, of both families", spec(`"clusterIP":"None","ipFamilies":["IPv4","IPv6"]`), registry.Service{Headless: true}},
		{"a family beside a portal IP", spec(`"clusterIP":"10.0.0.1","ipFamilies":["IPv4"]`), registry.Service{PortalIPs: addrs("10.0.0.1")}},
		{"headless by clusterIPs alone", spec(`"clusterIPs":["None"]`), registry.Service{Headless: true}},
		{"publicIPs are deprecatedPublicIPs", spec(`"deprecatedPublicIPs":["198.51.100.1"]`),
			registry.Service{PublicIPs: addrs("198.51.100.1")}},
		{"publicIPs are externalIPs", spec(`"externalIPs":["198.51.100.2"]`), registry.Service{PublicIPs: addrs("198.51.100.2")}},
		{"the deprecated ones win", spec(`"deprecatedPublicIPs":["198.51.100.1"],"externalIPs":["198.51.100.2"]`),
			registry.Service{PublicIPs: addrs("198.51.100.1")}},
		{"createExternalLoadBalancer with no type", spec(`"createExternalLoadBalancer":true`),
			registry.Service{Type: registry.LoadBalancer}},
		{"an external name", spec(`"type":"ExternalName","externalName":"db.example.org"`),
			registry.Service{Type: registry.ExternalName, ExternalName: "db.example.org"}},
		{"affinity with a time", spec(`"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}}`),
			registry.Service{AffinityTimeout: time.Minute}},
		{"policies", spec(`"externalTrafficPolicy":"Local","internalTrafficPolicy":"Local","healthCheckNodePort":31000,
			"trafficDistribution":"PreferClose","publishNotReadyAddresses":true,"loadBalancerSourceRanges":["192.0.2.0/24"," 2001:db8::/32 ","192.0.2.77/24"]`),
			registry.Service{
				ExternalLocal: true, InternalLocal: true, HealthCheckNodePort: 31000, TrafficDistribution: "PreferClose", PublishNotReady: true,
				SourceRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.0/24")},
			}},
		{"Cluster policies are the default", spec(`"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster"`), registry.Service{}},
		{"the annotation of publishNotReadyAddresses", `{"apiVersion":"v1","metadata":{"name":"x","annotations":{"service.alpha.kubernetes.io/tolerate-unready-endpoints":"true"}}}`,
			registry.Service{PublishNotReady: true}},
		{"a null selector", spec(`"selector":null`), registry.Service{}},
		{"an empty selector", spec(`"selector":{}`), registry.Service{Selector: map[string]string{}}},
		{"targetPort a number, a name, a number in a string", spec(`"ports":[{"port":1,"targetPort":8080},{"port":2,"targetPort":"web"},{"port":3,"targetPort":"8081"},{"port":4}]`),
			registry.Service{Ports: []registry.Port{
				{Protocol: registry.TCP, Port: 1, TargetPort: "8080"}, {Protocol: registry.TCP, Port: 2, TargetPort: "web"},
				{Protocol: registry.TCP, Port: 3, TargetPort: "8081"}, {Protocol: registry.TCP, Port: 4},
			}}},
		{"an address of a balancer in proxy mode is not the nodes'", `{"apiVersion":"v1","metadata":{"name":"x"},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1","ipMode":"Proxy"},{"ip":"203.0.113.2","ipMode":"VIP"}]}}}`,
			registry.Service{LoadBalancerIPs: addrs("203.0.113.2")}},
		{"unknown fields of any type", spec(`"clusterIP":"10.0.0.1","future":[{"a":1}],"loadBalancerClass":"x"`), registry.Service{PortalIPs: addrs("10.0.0.1")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

// What people put into etcd by hand may leave out or misspell kind and
// version.
func TestVersionByShape(t *testing.T) {
	tests := []struct{ name, value, version string }{
		{"by id", `{"id":"x","port":80}`, "v1beta1"},
		{"by nothing at all", `{"port":80}`, "v1beta1"},
		{"by metadata", `{"metadata":{"name":"x"},"spec":{"ports":[{"port":80}]}}`, "v1"},
		{"by both", `{"id":"x","metadata":{},"port":80}`, "v1beta1"},
		{"kind in lower case", `{"kind":"service","id":"x","port":80}`, "v1beta1"},
		{"version in upper case", `{"kind":"SERVICE","apiVersion":"V1Beta2","port":80}`, "v1beta2"},
		{"fields in any case", `{"KIND":"Service","APIVersion":"v1","Metadata":{},"Spec":{"Ports":[{"Port":80}]}}`, "v1"},
		{"white space before", " \n\t{\"port\":80}", "v1beta1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := Decode(serviceRef, []byte(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			if got := o.Metadata().APIVersion; got != tt.version {
				t.Errorf("the version is %s, want %s", got, tt.version)
			}
			if diff := cmp.Diff(port80, o.(*registry.Service).Ports); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The key's namespace and name are the object's, whatever the value says.
func TestMetadata(t *testing.T) {
	want := registry.Meta{
		Kind: registry.KindService, Key: serviceRef.Key, UID: "1234", Created: 1425168000,
		Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": "mine"},
	}
	fields := `"uid":"1234","labels":{"app":"web"},"annotations":{"note":"mine"},"creationTimestamp":"2015-03-01T00:00:00Z","selfLink":"/x"`
	tests := []struct{ name, value, version string }{
		{"v1beta1, resourceVersion a number", `{"apiVersion":"v1beta1","id":"other","namespace":"elsewhere","resourceVersion":17,` + fields + `}`, "v1beta1"},
		{"v1beta1, resourceVersion a string", `{"apiVersion":"v1beta1","id":"other","resourceVersion":"17",` + fields + `}`, "v1beta1"},
		{"v1beta3", `{"apiVersion":"v1beta3","metadata":{"name":"other","namespace":"elsewhere","resourceVersion":"17",` + fields + `}}`, "v1beta3"},
		{"v1, resourceVersion a number", `{"apiVersion":"v1","metadata":{"name":"other","resourceVersion":17,` + fields + `}}`, "v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := Decode(serviceRef, []byte(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			want.APIVersion = tt.version
			if diff := cmp.Diff(&want, o.Metadata()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
