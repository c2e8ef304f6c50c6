package endpoints

import (
	"maps"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// standing is what the registry has of a service's endpoints.
type standing struct {
	slices []*registry.Endpoints // the controller's own
	mirror *registry.Endpoints   // the Endpoints object, whosever; nil for none
	taken  func(slice registry.Key) bool
}

// own returns the controller's own objects.
func (s standing) own() []*registry.Endpoints {
	if s.mirror != nil && mirrored(s.mirror) {
		return append(slices.Clip(s.slices), s.mirror)
	}
	return s.slices
}

// plan is what is to be done about one service's endpoints.
type plan struct {
	puts    []*registry.Endpoints
	deletes []*registry.Endpoints
}

func (p *plan) empty() bool { return len(p.puts)+len(p.deletes) == 0 }

// creates returns how many of the objects to be put are new ones.
func (p *plan) creates() int {
	n := 0
	for _, e := range p.puts {
		if e.ModRevision == 0 {
			n++
		}
	}
	return n
}

// planFor returns how to get from what stands to what is wanted of a service;
// of nil, one that is gone, nothing is.
func planFor(service *registry.Service, groups []group, have standing, c *Config) plan {
	var p plan
	if selected(service) {
		p.slices(service, groups, have, c.SliceSize)
	} else {
		p.deletes = slices.Clone(have.slices)
	}
	p.mirror(service, groups, have.mirror, c.SlicesOnly)
	return p
}

// slices adds what is to be done about the slices.
func (p *plan) slices(service *registry.Service, groups []group, have standing, size int) {
	placed, empty := place(groups, have.slices, size)
	p.deletes = empty
	n := 0
	for _, s := range placed {
		key := registry.Key{Namespace: service.Namespace}
		for free := s.old != nil; !free; n++ {
			key.Name = sliceName(service.Name, n)
			free = !have.taken(key)
		}
		if o := s.object(service, key); s.changed() || !maps.Equal(o.Labels, s.old.Labels) {
			p.puts = append(p.puts, o)
		}
	}
}

// mirror adds what is to be done about the Endpoints object.
func (p *plan) mirror(service *registry.Service, groups []group, have *registry.Endpoints, unwanted bool) {
	switch {
	case have != nil && !mirrored(have): // somebody's own
	case !selected(service) || unwanted:
		if have != nil {
			p.deletes = append(p.deletes, have)
		}
	default:
		if o := mirrorOf(service, groups, have); have == nil || !sameMirror(o, have) {
			p.puts = append(p.puts, o)
		}
	}
}
