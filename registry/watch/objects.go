package watch

import "github.com/svcreg/svcreg/registry"

// object codes one object of any kind that a Snapshot holds. A new field of
// the model must be added here, and formatVersion counted up.
func (c *coder) object(o registry.Object) registry.Object {
	kind := uint64(0)
	if !c.reading {
		kind = uint64(o.Ref().Kind)
	}
	c.number(&kind)
	if c.reading {
		o = newObject(registry.Kind(kind))
	}
	switch o := o.(type) {
	case *registry.Service:
		c.service(o)
	case *registry.Endpoints:
		c.endpoints(o)
	case *registry.Pod:
		c.pod(o)
	case *registry.Node:
		c.node(o)
	case *registry.Namespace:
		c.meta(&o.Meta)
	case *registry.ServiceCIDR:
		c.meta(&o.Meta)
		list(c, &o.Prefixes, c.prefix)
	default:
		c.fail()
		return nil
	}
	if c.reading {
		o.Metadata().Kind = registry.Kind(kind)
	}
	return o
}

// newObject returns an empty object of a kind that a Snapshot holds, or nil.
func newObject(k registry.Kind) registry.Object {
	switch k {
	case registry.KindService:
		return &registry.Service{}
	case registry.KindEndpoints, registry.KindEndpointSlice:
		return &registry.Endpoints{}
	case registry.KindPod:
		return &registry.Pod{}
	case registry.KindNode:
		return &registry.Node{}
	case registry.KindNamespace:
		return &registry.Namespace{}
	case registry.KindServiceCIDR:
		return &registry.ServiceCIDR{}
	}
	return nil
}

func (c *coder) meta(m *registry.Meta) {
	c.key(&m.Key)
	c.text(&m.UID)
	c.labels(&m.Labels)
	c.labels(&m.Annotations)
	c.word(&m.APIVersion)
	c.flag(&m.Protobuf)
	integer(c, &m.CreateRevision)
	integer(c, &m.ModRevision)
}

func (c *coder) key(k *registry.Key) {
	c.word(&k.Namespace)
	c.text(&k.Name)
}

func (c *coder) service(s *registry.Service) {
	c.meta(&s.Meta)
	c.word((*string)(&s.Type))
	list(c, &s.PortalIPs, c.addr)
	c.flag(&s.Headless)
	list(c, &s.PublicIPs, c.addr)
	list(c, &s.LoadBalancerIPs, c.addr)
	list(c, &s.SourceRanges, c.prefix)
	c.text(&s.ExternalName)
	list(c, &s.Ports, func(p *registry.Port) {
		c.word(&p.Name)
		c.word((*string)(&p.Protocol))
		integer(c, &p.Port)
		c.word(&p.TargetPort)
		integer(c, &p.NodePort)
	})
	c.labels(&s.Selector)
	integer(c, &s.AffinityTimeout)
	c.flag(&s.ExternalLocal)
	c.flag(&s.InternalLocal)
	integer(c, &s.HealthCheckNodePort)
	c.word(&s.TrafficDistribution)
	c.flag(&s.PublishNotReady)
}

func (c *coder) endpoints(e *registry.Endpoints) {
	c.meta(&e.Meta)
	c.key(&e.Service)
	list(c, &e.Subsets, func(s *registry.Subset) {
		list(c, &s.Endpoints, c.endpoint)
		list(c, &s.Ports, func(p *registry.EndpointPort) {
			c.word(&p.Name)
			c.word((*string)(&p.Protocol))
			integer(c, &p.Port)
		})
	})
}

func (c *coder) endpoint(e *registry.Endpoint) {
	c.addr(&e.Addr)
	c.text(&e.Host)
	c.text(&e.Hostname)
	c.word(&e.Node)
	c.word(&e.Zone)
	c.word(&e.Target.Kind)
	c.key(&e.Target.Key)
	c.flag(&e.Ready)
	c.flag(&e.Serving)
	c.flag(&e.Terminating)
}

func (c *coder) pod(p *registry.Pod) {
	c.meta(&p.Meta)
	list(c, &p.IPs, c.addr)
	c.addr(&p.HostIP)
	c.word(&p.Node)
	c.flag(&p.Ready)
	c.flag(&p.Terminating)
	c.flag(&p.Finished)
	list(c, &p.Ports, func(p *registry.ContainerPort) {
		c.word(&p.Name)
		c.word((*string)(&p.Protocol))
		integer(c, &p.Port)
	})
}

func (c *coder) node(n *registry.Node) {
	c.meta(&n.Meta)
	list(c, &n.IPs, c.addr)
	c.word(&n.Zone)
	c.flag(&n.Ready)
}
