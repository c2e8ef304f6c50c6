package lab

import (
	"context"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/peers"
)

// Write returns what changes the object of a service that a server follows. It
// returns once the change is acknowledged: by etcd, or by the stand-in.
type Write func(ctx context.Context, o kube.Object) error

// Writer returns how a server's fleet is changed.
func (l *Lab) Writer(p peers.Peer) Write {
	if p == peers.Kubernetes {
		return func(_ context.Context, o kube.Object) error { return l.api.Put(o) }
	}
	return l.putEtcd
}

func (l *Lab) putEtcd(ctx context.Context, o kube.Object) error {
	value, err := l.encode(o)
	if err != nil {
		return err
	}
	return l.Etcd.Put(ctx, kube.Key(o), value)
}

// Object returns the object in which a service says where it leads.
func Object(s fleet.Service) kube.Object {
	if s.Headless {
		return kube.Slice(s)
	}
	return kube.Service(s)
}
