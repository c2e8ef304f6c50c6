package lab

import (
	"context"

	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/loopback"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/store"
)

func (l *Lab) startEtcd(ctx context.Context) error {
	var err error
	l.Etcd, err = store.Start(ctx, store.Config{
		Program: l.Config.Etcd, Dir: l.dir, ClientURL: "http://" + loopback.Free().String(), PeerURL: "http://" + loopback.Free().String(),
	})
	l.sources.EtcdURL = l.Etcd.URL
	return err
}

// fillEtcd writes the registry, and the records of the etcd plugin.
func (l *Lab) fillEtcd(ctx context.Context) error {
	filler := l.Etcd.Filler()
	for _, o := range kube.Objects(l.Fleet, l.Pods) {
		value, err := l.encode(o)
		if err != nil {
			return err
		}
		if err := filler.Put(ctx, kube.Key(o), string(value)); err != nil {
			return err
		}
	}
	for key, value := range peers.SkyDNS(l.Fleet) {
		if err := filler.Put(ctx, key, value); err != nil {
			return err
		}
	}
	return filler.Flush(ctx)
}

func (l *Lab) encode(o kube.Object) ([]byte, error) {
	if l.JSON {
		return kube.JSON(o)
	}
	return kube.Protobuf(o)
}
