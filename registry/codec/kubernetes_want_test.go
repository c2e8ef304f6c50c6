package codec

import (
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// filledModel returns what a file of Kubernetes must give when the
// placeholders are filled in.
func filledModel(f kubernetesFile) registry.Object {
	meta := registry.Meta{
		Kind: f.ref.Kind, Key: f.ref.Key, UID: "uidValue", Created: 1199149261, APIVersion: f.version,
		Labels:      map[string]string{"labelsKey": "labelsValue"},
		Annotations: map[string]string{"annotationsKey": "annotationsValue"},
	}
	switch f.ref.Kind {
	case registry.KindService:
		return filledService(meta)
	case registry.KindEndpoints:
		return filledEndpoints(meta)
	case registry.KindEndpointSlice:
		return filledSlice(meta)
	case registry.KindPod:
		return filledPod(meta)
	case registry.KindNode:
		meta.Labels = map[string]string{"topology.kubernetes.io/zone": "labelsValue"}
		return &registry.Node{Meta: meta, IPs: addrs("192.0.2.1"), Zone: "labelsValue", Leaving: true}
	case registry.KindServiceCIDR:
		return &registry.ServiceCIDR{Meta: meta, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}}
	case registry.KindIPAddress:
		return &registry.IPAddress{
			Meta: meta, Addr: netip.MustParseAddr("10.0.0.1"),
			Service: registry.Key{Namespace: "namespaceValue", Name: "nameValue"},
		}
	}
	return &registry.Namespace{Meta: meta}
}

func filledService(meta registry.Meta) registry.Object {
	return &registry.Service{
		Meta:            meta,
		Type:            registry.LoadBalancer,
		PortalIPs:       addrs("10.0.0.1", "fd00::1"),
		PublicIPs:       addrs("198.51.100.1"),
		LoadBalancerIPs: addrs("192.0.2.7"),
		SourceRanges:    []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		ExternalName:    "externalNameValue",
		Ports: []registry.Port{{
			Name: "nameValue", Protocol: registry.UDP, Port: 3, TargetPort: "targetPortValue", NodePort: 5,
		}},
		Selector:            map[string]string{"selectorKey": "selectorValue"},
		AffinityTimeout:     time.Second,
		ExternalLocal:       true,
		InternalLocal:       true,
		HealthCheckNodePort: 12,
		TrafficDistribution: "trafficDistributionValue",
		PublishNotReady:     true,
		Conditions:          []registry.Condition{{Type: "LoadBalancer", Status: "True", Reason: "reasonValue", Message: "messageValue", Since: 1072918861}},
	}
}

func filledEndpoints(meta registry.Meta) registry.Object {
	endpoint := registry.Endpoint{
		Addr: netip.MustParseAddr("192.0.2.7"), Hostname: "hostnameValue", Node: "nodeNameValue",
		Target: filledTarget, Ready: true, Serving: true,
	}
	notReady := endpoint
	notReady.Ready, notReady.Serving = false, false
	return &registry.Endpoints{Meta: meta, Service: meta.Key, Subsets: []registry.Subset{{
		Endpoints: []registry.Endpoint{endpoint, notReady},
		Ports:     []registry.EndpointPort{{Name: "nameValue", Protocol: registry.UDP, Port: 2}},
	}}}
}

func filledSlice(meta registry.Meta) registry.Object {
	meta.Labels = map[string]string{"kubernetes.io/service-name": "labelsValue"}
	service := registry.Key{Namespace: meta.Namespace, Name: "labelsValue"}
	return &registry.Endpoints{Meta: meta, Service: service, Subsets: []registry.Subset{{
		Endpoints: []registry.Endpoint{{
			Addr: netip.MustParseAddr("192.0.2.9"), Hostname: "hostnameValue", Node: "nodeNameValue", Zone: "zoneValue",
			Target: filledTarget, Ready: true, Serving: true, Terminating: true,
		}},
		Ports: []registry.EndpointPort{{Name: "nameValue", Protocol: registry.UDP, Port: 3}},
	}}}
}

func filledPod(meta registry.Meta) registry.Object {
	return &registry.Pod{
		Meta: meta, IPs: addrs("192.0.2.8", "192.0.2.7"), HostIP: netip.MustParseAddr("192.0.2.1"),
		Node: "nodeNameValue", Ready: true, Terminating: true, Finished: true,
		Hostname: "hostnameValue", Subdomain: "subdomainValue",
		Ports: []registry.ContainerPort{{Name: "nameValue", Protocol: registry.UDP, Port: 3}},
	}
}

var filledTarget = registry.Target{
	Kind: "kindValue", Key: registry.Key{Namespace: "namespaceValue", Name: "nameValue"},
}

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}
