package codec

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcreg/svcreg/registry"
)

func (c *conversion) checkService(o *corev1.Service, s *registry.Service) {
	c.checkType(o)
	c.checkPortalIPs(o, s)
	for i, text := range o.Spec.ExternalIPs {
		c.checkAddr(index("spec.externalIPs", i), text)
	}
	if text := o.Spec.LoadBalancerIP; text != "" {
		c.addr(at("spec.loadBalancerIP"), text)
		c.checkAddr("spec.loadBalancerIP", text)
	}
	switch o.Spec.SessionAffinity {
	case "", corev1.ServiceAffinityNone, corev1.ServiceAffinityClientIP:
	default:
		c.fail("spec.sessionAffinity", string(o.Spec.SessionAffinity), "None or ClientIP")
	}
	if len(o.Spec.Ports) == 0 && !s.Headless && s.Type != registry.ExternalName {
		c.fail("spec.ports", "", "at least one port")
	}
	ports := portList{conversion: c, path: "spec.ports", number: "port", mayUnname: len(o.Spec.Ports) == 1}
	for i, p := range o.Spec.Ports {
		ports.add(p.Name, p.Protocol, p.Port)
		c.checkTargetPort(index("spec.ports", i)+".targetPort", p.TargetPort)
	}
	c.checkNodePorts(&o.Spec)
}

func (c *conversion) checkType(o *corev1.Service) {
	switch o.Spec.Type {
	case "", corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
	case corev1.ServiceTypeExternalName:
		c.checkText("spec.externalName", strings.TrimSuffix(strings.ToLower(o.Spec.ExternalName), "."), isDNSName, "a DNS name")
	default:
		c.fail("spec.type", string(o.Spec.Type), "ClusterIP, NodePort, LoadBalancer or ExternalName")
	}
}

// checkPortalIPs allows one address of each family, or "None" alone, which for a
// service of type ExternalName says that it stays an alias.
func (c *conversion) checkPortalIPs(o *corev1.Service, s *registry.Service) {
	path := "spec.clusterIP"
	if len(o.Spec.ClusterIPs) > 0 {
		path = "spec.clusterIPs"
		if first := o.Spec.ClusterIPs[0]; o.Spec.ClusterIP != "" && o.Spec.ClusterIP != first {
			c.fail("spec.clusterIPs[0]", first, o.Spec.ClusterIP+", as clusterIP says")
		}
	}
	if len(s.PortalIPs) > 0 && s.IsAlias() {
		c.fail(path, s.PortalIPs[0].String(), "none for a service of type ExternalName that has no ports")
	}
	families := map[bool]bool{}
	for i, a := range s.PortalIPs {
		at := path
		if path == "spec.clusterIPs" {
			at = index(path, i)
		}
		c.checkAddr(at, a.String())
		if families[a.Is4()] {
			c.fail(at, a.String(), "at most one address of each family")
		}
		families[a.Is4()] = true
	}
}

// checkTargetPort checks the name of a container's port; numbers were checked
// when they were read.
func (c *conversion) checkTargetPort(path string, p intstr.IntOrString) {
	if p.Type == intstr.String && !isNumber(p.StrVal) {
		c.checkText(path, p.StrVal, isServiceName, wantPort+", or a port's name: at most 15 lower-case letters, digits and dashes")
	}
}

// portList checks the ports of one list, as they come.
type portList struct {
	*conversion
	path      string
	number    string // the name of the field that holds the number
	mayUnname bool   // whether a port needs no name
	mayRepeat bool   // whether two names may have the same number
	next      int
	names     map[string]bool
	numbers   map[portID]bool
}

type portID struct {
	protocol registry.Protocol
	port     int32
}

func (l *portList) add(name string, p corev1.Protocol, port int32) {
	path := index(l.path, l.next)
	l.next++
	l.addName(path+".name", name)
	id := portID{protocol(p), port}
	switch id.protocol {
	case registry.TCP, registry.UDP, registry.SCTP:
	default:
		l.fail(path+".protocol", string(p), "TCP, UDP or SCTP")
	}
	if l.numbers[id] && !l.mayRepeat {
		l.fail(path+"."+l.number, strconv.Itoa(int(port)), "a port and protocol that no other has")
	}
	if l.numbers == nil {
		l.numbers = map[portID]bool{}
	}
	l.numbers[id] = true
}

func (l *portList) addName(path, name string) {
	switch {
	case name == "" && !l.mayUnname:
		l.fail(path, "", "a name, as there are several ports")
	case name != "" && !isLabel(name):
		l.fail(path, name, wantLabel)
	case name != "" && l.names[name]:
		l.fail(path, name, "a name that no other port has")
	}
	if l.names == nil {
		l.names = map[string]bool{}
	}
	l.names[name] = true
}
