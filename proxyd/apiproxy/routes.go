package apiproxy

import (
	"sync"
	"weak"

	"github.com/svcreg/svcreg/registry"
)

// maxRemembered is how many targets a Proxy remembers, of all routes together.
const maxRemembered = 1 << 16

// routes remembers where requests for services can go while the registry
// stays as it is: taking a service of a thousand endpoints out of a snapshot
// costs a few milliseconds.
type routes struct {
	mu      sync.Mutex
	of      weak.Pointer[registry.Snapshot] // whoever forgets it need not wait for us
	targets map[route][]target
	count   int
}

// route is what requests ask for that can go to the same places.
type route struct{ namespace, id string }

// find returns what targets does. The caller must not change them.
func (r *routes) find(s *registry.Snapshot, p path) ([]target, error) {
	if p.to.Kind != registry.KindService {
		return targets(s, p)
	}
	to := route{p.to.Namespace, p.id}
	if found := r.known(s, to); found != nil {
		return found, nil
	}
	found, err := targets(s, p)
	if err == nil {
		r.remember(s, to, found)
	}
	return found, err
}

func (r *routes) known(s *registry.Snapshot, to route) []target {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of.Value() != s {
		return nil
	}
	return r.targets[to]
}

func (r *routes) remember(s *registry.Snapshot, to route, found []target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of.Value() != s || r.count+len(found) > maxRemembered {
		r.of, r.targets, r.count = weak.Make(s), map[route][]target{}, 0
	}
	if r.targets[to] == nil {
		r.targets[to] = found
		r.count += len(found)
	}
}
