package registry

// The fields of each type, in the order in which a record has them. What the
// indexes of a Snapshot need comes first, and can be read alone: the heads.
// What identifies the object, its Ref, stands beside the record.
//
// Another order, or another field, is another format of the files of package
// watch, too.

// fields codes all fields of an object.
func (c *coder) fields(o Object) {
	switch o := o.(type) {
	case *Service:
		o.fields(c)
	case *Endpoints:
		o.fields(c)
	case *Pod:
		o.fields(c)
	case *Node:
		o.fields(c)
	case *Namespace:
		o.fields(c)
	case *ServiceCIDR:
		o.fields(c)
	case *IPAddress:
		o.fields(c)
	}
}

// newObject returns an empty object, or nil for a kind that doesn't exist.
func newObject(r Ref) Object {
	m := Meta{Kind: r.Kind, Key: r.Key}
	switch r.Kind {
	case KindService:
		return &Service{Meta: m}
	case KindEndpoints, KindEndpointSlice:
		return &Endpoints{Meta: m}
	case KindPod:
		return &Pod{Meta: m}
	case KindNode:
		return &Node{Meta: m}
	case KindNamespace:
		return &Namespace{m}
	case KindServiceCIDR:
		return &ServiceCIDR{Meta: m}
	case KindIPAddress:
		return &IPAddress{Meta: m}
	}
	return nil
}

func (m *Meta) head(c *coder) {
	number(c, &m.CreateRevision)
	number(c, &m.ModRevision)
}

func (m *Meta) rest(c *coder) {
	c.flags(&m.Protobuf)
	text(c, &m.APIVersion)
	text(c, &m.UID)
	number(c, &m.Created)
	c.texts(&m.Labels)
	c.texts(&m.Annotations)
}

func (k *Key) fields(c *coder) {
	text(c, &k.Namespace)
	text(c, &k.Name)
}

func (s *Service) head(c *coder) {
	s.Meta.head(c)
	c.addrs(&s.PortalIPs)
}

func (s *Service) fields(c *coder) {
	s.head(c)
	c.flags(&s.Headless, &s.ExternalLocal, &s.InternalLocal, &s.PublishNotReady, &s.OnlyIPv4, &s.OnlyIPv6)
	text(c, &s.Type)
	for i := range list(c, &s.Ports) {
		s.Ports[i].fields(c)
	}
	c.texts(&s.Selector)
	c.addrs(&s.PublicIPs)
	c.addrs(&s.LoadBalancerIPs)
	c.prefixes(&s.SourceRanges)
	text(c, &s.ExternalName)
	number(c, &s.AffinityTimeout)
	number(c, &s.HealthCheckNodePort)
	text(c, &s.TrafficDistribution)
	for i := range list(c, &s.Conditions) {
		s.Conditions[i].fields(c)
	}
	s.rest(c)
}

func (p *Port) fields(c *coder) {
	text(c, &p.Name)
	text(c, &p.Protocol)
	number(c, &p.Port)
	text(c, &p.TargetPort)
	number(c, &p.NodePort)
}

func (e *Endpoints) head(c *coder) {
	e.Meta.head(c)
	e.Service.fields(c)
}

// upToSubsets are the fields that serve a service.
func (e *Endpoints) upToSubsets(c *coder) {
	e.head(c)
	for i := range list(c, &e.Subsets) {
		e.Subsets[i].fields(c)
	}
}

func (e *Endpoints) fields(c *coder) {
	e.upToSubsets(c)
	e.rest(c)
}

func (s *Subset) fields(c *coder) {
	for i := range list(c, &s.Ports) {
		s.Ports[i].fields(c)
	}
	for i := range list(c, &s.Endpoints) {
		s.Endpoints[i].fields(c)
	}
}

func (p *EndpointPort) fields(c *coder) {
	text(c, &p.Name)
	text(c, &p.Protocol)
	number(c, &p.Port)
}

func (e *Endpoint) fields(c *coder) {
	c.flags(&e.Ready, &e.Serving, &e.Terminating)
	c.addr(&e.Addr)
	text(c, &e.Host)
	text(c, &e.Hostname)
	text(c, &e.Node)
	text(c, &e.Zone)
	text(c, &e.Target.Kind)
	e.Target.Key.fields(c)
}

func (p *Pod) head(c *coder) {
	p.Meta.head(c)
	c.flags(&p.Ready, &p.Terminating, &p.Finished)
	c.addrs(&p.IPs)
}

func (p *Pod) fields(c *coder) {
	p.head(c)
	c.addr(&p.HostIP)
	text(c, &p.Node)
	for i := range list(c, &p.Ports) {
		p.Ports[i].fields(c)
	}
	text(c, &p.Hostname)
	text(c, &p.Subdomain)
	p.rest(c)
}

func (p *ContainerPort) fields(c *coder) {
	text(c, &p.Name)
	text(c, &p.Protocol)
	number(c, &p.Port)
}

func (n *Node) fields(c *coder) {
	n.head(c)
	c.flags(&n.Ready, &n.Leaving)
	c.addrs(&n.IPs)
	text(c, &n.Zone)
	n.rest(c)
}

func (n *Namespace) fields(c *coder) {
	n.head(c)
	n.rest(c)
}

func (s *ServiceCIDR) fields(c *coder) {
	s.head(c)
	c.prefixes(&s.Prefixes)
	s.rest(c)
}

func (a *IPAddress) fields(c *coder) {
	a.head(c)
	c.addr(&a.Addr)
	a.Service.fields(c)
	a.rest(c)
}
