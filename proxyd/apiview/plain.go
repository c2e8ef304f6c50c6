package apiview

import (
	"sync"
	"weak"

	"github.com/svcreg/svcreg/registry"
)

// maxPlain is how many services are remembered.
const maxPlain = 1 << 14

// plain remembers, while the registry stays as it is, for which services the
// data plane knows enough: to look through a thousand endpoints takes time.
type plain struct {
	mu    sync.Mutex
	of    weak.Pointer[registry.Snapshot] // whoever forgets it need not wait for us
	known map[registry.Key]bool
}

// enough reports whether what the data plane knows leads a request where it
// belongs.
func (p *plain) enough(near *registry.Snapshot, to registry.Ref) bool {
	if near == nil || to.Kind != registry.KindService {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of.Value() != near || len(p.known) >= maxPlain {
		p.of, p.known = weak.Make(near), map[registry.Key]bool{}
	}
	is, known := p.known[to.Key]
	if !known {
		is = isPlain(near.Service(to.Key))
		p.known[to.Key] = is
	}
	return is
}

// isPlain reports whether the data plane knows all of a service that the proxy
// path needs. Of services without a portal IP it knows no ports, of endpoints
// that are names nothing at all. A service that isn't there is, for sure.
func isPlain(e *registry.Entry) bool {
	if e == nil {
		return true
	}
	if e.Headless || e.IsAlias() {
		return false
	}
	for _, s := range e.Subsets {
		for _, endpoint := range s.Endpoints {
			if !endpoint.Addr.IsValid() {
				return false
			}
		}
	}
	return true
}
