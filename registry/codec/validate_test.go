package codec

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	svc := func(spec string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{` + spec + `}}`
	}
	eps := func(subset string) string {
		return `{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"a"},"subsets":[` + subset + `]}`
	}
	slice := func(fields string) string {
		return `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"a"},` + fields + `}`
	}
	long := strings.Repeat("a", 64)
	const service, endpoints, slices = "test: Service default/a: ", "test: Endpoints default/a: ", "test: EndpointSlice default/a: "
	tests := []struct{ document, want string }{
		{svc(`"ports":[{"port":80}]`), ""},
		{svc(`"ports":[{"name":"http","port":80,"targetPort":"web"},{"name":"dns","port":80,"protocol":"UDP","targetPort":"8080"}],"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"externalIPs":["198.51.100.1"],"sessionAffinity":"None"`), ""},
		{svc(`"clusterIP":"None"`), ""},
		{svc(`"type":"ExternalName","externalName":"Some_db.example.org."`), ""},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"1-begins-with-a-digit","port":80}`, ""},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a.b","port":80}`, "test: Service default/a.b: id: a.b: want " + wantLabel},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"A","port":80}`, "test: Service default/A: id: A: want " + wantLabel},
		{`{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + long + `"},"spec":{"ports":[{"port":80}]}}`, "test: Service default/" + long + ": metadata.name: " + long + ": want " + wantLabel},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","namespace":"My_ns","port":80}`, "test: Service My_ns/a: namespace: My_ns: want " + wantLabel},
		{`{"kind":"Service","apiVersion":"v1","metadata":{"name":"a/b"},"spec":{"ports":[{"port":80}]}}`, "test: Service default/a/b: metadata.name: a/b: want " + wantLabel},
		{`{"kind":"Node","apiVersion":"v1","metadata":{"name":"node-1.example.org","namespace":"x"}}`, "test: Node node-1.example.org: metadata.namespace: x: want none: a Node belongs to no namespace"},
		{`{"kind":"Node","apiVersion":"v1","metadata":{"name":"-"}}`, "test: Node -: metadata.name: -: want " + wantSubdomain},
		{`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a.b"}}`, "test: Namespace a.b: metadata.name: a.b: want " + wantLabel},

		{svc(``), service + "spec.ports: missing: want at least one port"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a"}`, service + "port: missing: want at least one port"},
		{svc(`"ports":[{"port":0}]`), service + "spec.ports[0].port: 0: want 1 to 65535"},
		{svc(`"ports":[{"port":80,"protocol":"ICMP"}]`), service + "spec.ports[0].protocol: ICMP: want TCP, UDP or SCTP"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"protocol":"ICMP"}`, service + "protocol: ICMP: want TCP, UDP or SCTP"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"portName":"A"}`, service + "portName: A: want " + wantLabel},
		{svc(`"ports":[{"name":"a","port":80},{"port":81}]`), service + "spec.ports[1].name: missing: want a name, as there are several ports"},
		{svc(`"ports":[{"name":"a","port":80},{"name":"a","port":81}]`), service + "spec.ports[1].name: a: want a name that no other port has"},
		{svc(`"ports":[{"name":"a","port":80},{"name":"b","port":80,"protocol":"TCP"}]`), service + "spec.ports[1].port: 80: want a port and protocol that no other has"},
		{svc(`"ports":[{"name":"A_","port":80}]`), service + "spec.ports[0].name: A_: want " + wantLabel},
		{svc(`"ports":[{"port":80,"targetPort":"too-long-for-a-port"}]`), service + "spec.ports[0].targetPort: too-long-for-a-port: want 1 to 65535, or a port's name: at most 15 lower-case letters, digits and dashes"},
		{svc(`"ports":[{"port":80,"targetPort":"70000"}]`), service + "spec.ports[0].targetPort: 70000: want 1 to 65535"},
		{svc(`"ports":[{"port":80,"targetPort":"99999999999"}]`), service + "spec.ports[0].targetPort: 99999999999: want 1 to 65535"},
		{svc(`"ports":[{"port":80,"targetPort":"-5"}]`), service + "spec.ports[0].targetPort: -5: want 1 to 65535, or a port's name: at most 15 lower-case letters, digits and dashes"},
		{svc(`"ports":[{"port":80}],"type":"Other"`), service + "spec.type: Other: want ClusterIP, NodePort, LoadBalancer or ExternalName"},
		{svc(`"ports":[{"name":"a","port":80,"nodePort":30080},{"name":"b","port":81,"nodePort":30080}]`), service + "spec.ports[1].nodePort: 30080: want a port and protocol that no other has"},
		{svc(`"ports":[{"name":"a","port":80,"nodePort":30080},{"name":"b","port":80,"protocol":"UDP","nodePort":30080}],"healthCheckNodePort":30081`), ""},
		{svc(`"ports":[{"port":80,"nodePort":30080}],"healthCheckNodePort":30080`), service + "spec.healthCheckNodePort: 30080: want a port that no nodePort is"},
		{svc(`"type":"ExternalName"`), service + "spec.externalName: missing: want a DNS name"},
		{svc(`"type":"ExternalName","externalName":"a","clusterIP":"10.0.0.1"`), service + "spec.clusterIP: 10.0.0.1: want none for a service of type ExternalName that has no ports"},
		{svc(`"type":"ExternalName","externalName":"a","ports":[{"port":80}],"clusterIP":"10.0.0.1"`), ""},
		{svc(`"type":"ExternalName","externalName":"a","ports":[{"port":80}],"clusterIP":"None"`), ""},
		{svc(`"ports":[{"port":80}],"sessionAffinity":"Cookie"`), service + "spec.sessionAffinity: Cookie: want None or ClientIP"},
		{svc(`"ports":[{"port":80}],"clusterIP":"127.0.0.1"`), service + "spec.clusterIP: 127.0.0.1: want an address that is not loopback"},
		{`{"kind":"Service","apiVersion":"v1beta1","id":"a","port":80,"portalIP":"10.0.0"}`, service + "portalIP: 10.0.0: want an IP address"},
		{svc(`"ports":[{"port":80}],"clusterIPs":["10.0.0.1","10.0.0.2"]`), service + "spec.clusterIPs[1]: 10.0.0.2: want at most one address of each family"},
		{svc(`"ports":[{"port":80}],"clusterIP":"10.0.0.1","clusterIPs":["fd00::1","10.0.0.1"]`), service + "spec.clusterIPs[0]: fd00::1: want 10.0.0.1, as clusterIP says"},
		{`{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"a"},"spec":{"ports":[{"port":80}],"publicIPs":["198.51.100.1","224.0.0.1"]}}`, service + "spec.publicIPs[1]: 224.0.0.1: want an address that is not multicast"},

		{eps(`{"addresses":[{"ip":"192.0.2.1"},{"ip":"db.example.org"}],"ports":[{"name":"a","port":80},{"name":"b","port":80}]}`), ""},
		{eps(`{"addresses":[{"ip":"127.0.0.1"}]}`), endpoints + "subsets[0].addresses[0].ip: 127.0.0.1: want an address that is not loopback"},
		{eps(`{"addresses":[{"ip":"::ffff:127.0.0.1"}]}`), endpoints + "subsets[0].addresses[0].ip: ::ffff:127.0.0.1: want an address that is not loopback"},
		{eps(`{"addresses":[{"ip":"192.0.2.1"}],"notReadyAddresses":[{"ip":"169.254.169.254"}]}`), endpoints + "subsets[0].notReadyAddresses[0].ip: 169.254.169.254: want an address that is not link-local"},
		{eps(`{"addresses":[{"ip":"0.0.0.0"}]}`), endpoints + "subsets[0].addresses[0].ip: 0.0.0.0: want an address that is not unspecified"},
		{eps(`{"addresses":[{"ip":"ff02::1"}]}`), endpoints + "subsets[0].addresses[0].ip: ff02::1: want an address that is not multicast"},
		{eps(`{"addresses":[{"ip":"192.0.2.1","hostname":"a.b"}]}`), endpoints + "subsets[0].addresses[0].hostname: a.b: want " + wantLabel},
		{eps(`{"ports":[{"port":80}]}`), endpoints + "subsets[0].addresses: missing: want at least one address"},
		{eps(`{"addresses":[{"ip":"192.0.2.1"}],"ports":[{"port":80},{"name":"b","port":81}]}`), endpoints + "subsets[0].ports[0].name: missing: want a name, as there are several ports"},
		{`{"kind":"Endpoints","apiVersion":"v1beta1","id":"a","endpoints":["192.0.2.1:80","127.0.0.1:80"]}`, endpoints + "endpoints[1]: 127.0.0.1: want an address that is not loopback"},
		{`{"kind":"Endpoints","apiVersion":"v1beta1","id":"a","endpoints":["192.0.2.1:80"],"protocol":"X"}`, endpoints + "endpoints[0]: X: want TCP, UDP or SCTP"},

		{slice(`"addressType":"IPv4","endpoints":[{"addresses":["192.0.2.1"]}],"ports":[{"port":80}]`), ""},
		{slice(`"endpoints":[]`), slices + "addressType: missing: want IPv4, IPv6 or FQDN"},
		{slice(`"addressType":"IPv6","endpoints":[{"addresses":["192.0.2.1"]}]`), slices + "endpoints[0].addresses[0]: 192.0.2.1: want an IPv6 address"},
		{slice(`"addressType":"IPv4","endpoints":[{"addresses":["2001:db8::1"]}]`), slices + "endpoints[0].addresses[0]: 2001:db8::1: want an IPv4 address"},
		{slice(`"addressType":"IPv4","endpoints":[{"addresses":[]}]`), slices + "endpoints[0].addresses: missing: want at least one address"},
		{slice(`"addressType":"IPv4","endpoints":[{"addresses":["127.0.0.1"],"hostname":"A"}]`), slices + "endpoints[0].addresses[0]: 127.0.0.1: want an address that is not loopback\n" + slices + "endpoints[0].hostname: A: want " + wantLabel},

		{`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"containers":[{"ports":[{"containerPort":80},{"name":"x","containerPort":80,"protocol":"X"}]}]},"status":{"podIP":"127.0.0.1"}}`,
			"test: Pod default/a: spec.containers[0].ports[1].protocol: X: want TCP, UDP or SCTP\ntest: Pod default/a: status.podIP: 127.0.0.1: want an address that is not loopback"},
		{`{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"a"},"spec":{"cidrs":["10.0.0.0/16","fd00::/108"]}}`, ""},
		{`{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"a"},"spec":{"cidrs":[]}}`, "test: ServiceCIDR a: spec.cidrs: missing: want one network, or one of each address family"},
		{`{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"a"},"spec":{"cidrs":["10.0.0.0/16","10.1.0.0/16"]}}`, "test: ServiceCIDR a: spec.cidrs[1]: 10.1.0.0/16: want at most one network of each address family"},
		{`{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"a"},"spec":{"cidrs":["10.0.0.1/16"]}}`, "test: ServiceCIDR a: spec.cidrs[0]: 10.0.0.1/16: want 10.0.0.0/16, with no bits beyond the prefix"},
		{`{"kind":"IPAddress","apiVersion":"networking.k8s.io/v1","metadata":{"name":"fd00::1"},"spec":{"parentRef":{"resource":"services","namespace":"a","name":"b"}}}`, ""},
		{`{"kind":"IPAddress","apiVersion":"networking.k8s.io/v1","metadata":{"name":"fd00:0::1"},"spec":{}}`, "test: IPAddress fd00:0::1: metadata.name: fd00:0::1: want fd00::1, the address in canonical form\ntest: IPAddress fd00:0::1: spec.parentRef: missing: want the object that the address belongs to"},
	}
	for _, tt := range tests {
		err := mustParse(t, tt.document).Validate()
		if got := text(err); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.document, got, tt.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
