package codec

import (
	"strconv"

	"github.com/svcreg/svcreg/registry"
)

func encodeService(o *registry.Service) encoded {
	spec := encoded{}
	set(spec, "type", o.Type)
	switch portals := texts(o.PortalIPs); {
	case o.Headless:
		spec["clusterIP"], spec["clusterIPs"] = headless, []string{headless}
		if o.OnlyIPv4 {
			spec["ipFamilies"] = []string{"IPv4"}
		} else if o.OnlyIPv6 {
			spec["ipFamilies"] = []string{"IPv6"}
		}
	case len(portals) > 0:
		spec["clusterIP"], spec["clusterIPs"] = portals[0], portals
	}
	list(spec, "externalIPs", texts(o.PublicIPs))
	list(spec, "loadBalancerSourceRanges", texts(o.SourceRanges))
	set(spec, "externalName", o.ExternalName)
	list(spec, "ports", encodePorts(o.Ports))
	if o.Selector != nil {
		spec["selector"] = o.Selector
	}
	encodePolicy(spec, o)
	e := encoded{"spec": spec}
	var ingress []encoded
	for _, ip := range o.LoadBalancerIPs {
		ingress = append(ingress, encoded{"ip": ip.String()})
	}
	status := encoded{}
	if ingress != nil {
		status["loadBalancer"] = encoded{"ingress": ingress}
	}
	list(status, "conditions", encodeConditions(o.Conditions))
	if len(status) > 0 {
		e["status"] = status
	}
	return e
}

// encodePolicy writes which endpoints a client may get.
func encodePolicy(spec encoded, o *registry.Service) {
	if o.AffinityTimeout > 0 {
		spec["sessionAffinity"] = "ClientIP"
		spec["sessionAffinityConfig"] = encoded{"clientIP": encoded{"timeoutSeconds": int64(o.AffinityTimeout / second)}}
	}
	if o.ExternalLocal {
		spec["externalTrafficPolicy"] = "Local"
	}
	if o.InternalLocal {
		spec["internalTrafficPolicy"] = "Local"
	}
	set(spec, "healthCheckNodePort", o.HealthCheckNodePort)
	set(spec, "trafficDistribution", o.TrafficDistribution)
	set(spec, "publishNotReadyAddresses", o.PublishNotReady)
}

func encodePorts(ports []registry.Port) []encoded {
	var list []encoded
	for _, p := range ports {
		e := encoded{"port": p.Port, "protocol": p.Protocol}
		set(e, "name", p.Name)
		set(e, "nodePort", p.NodePort)
		if number, err := strconv.ParseUint(p.TargetPort, 10, 16); err == nil {
			e["targetPort"] = number
		} else {
			set(e, "targetPort", p.TargetPort)
		}
		list = append(list, e)
	}
	return list
}
