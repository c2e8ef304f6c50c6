package lab

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/process"
)

const (
	// batch is how many keys one transaction puts, no more than etcd takes.
	batch = 100
	// etcdStartTime is how long etcd may take to serve.
	etcdStartTime = 30 * time.Second
)

// startEtcd starts an etcd that doesn't wait for the disk: what is measured is
// the way from an acknowledged write on.
func (l *Lab) startEtcd(ctx context.Context) error {
	client, peer := "http://"+freePort().String(), "http://"+freePort().String()
	var err error
	l.Etcd, err = process.Start(ctx, process.Options{Dir: l.dir}, "etcd", l.Config.Etcd,
		"--data-dir", l.Path("etcd"), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		"--snapshot-count", "1000000", "--quota-backend-bytes", "8589934592")
	if err != nil {
		return err
	}
	l.sources.EtcdURL = client
	if l.client, err = newClient(client); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdStartTime)
	defer cancel()
	for {
		_, err := l.client.Get(ctx, "ready")
		switch {
		case err == nil:
			return nil
		case l.Etcd.Err() != nil:
			return l.Etcd.Err()
		case ctx.Err() != nil:
			return fmt.Errorf("etcd doesn't answer: %w", err)
		}
	}
}

// fillEtcd writes the registry, and the records of the etcd plugin.
func (l *Lab) fillEtcd(ctx context.Context) error {
	var puts []clientv3.Op
	add := func(key, value string, last bool) error {
		puts = append(puts, clientv3.OpPut(key, value))
		if len(puts) < batch && !last {
			return nil
		}
		_, err := l.client.Txn(ctx).Then(puts...).Commit()
		puts = puts[:0]
		return err
	}
	for _, o := range kube.Objects(l.Fleet, l.Pods) {
		value, err := l.encode(o)
		if err != nil {
			return err
		}
		if err := add(kube.Key(o), string(value), false); err != nil {
			return fmt.Errorf("fill etcd: %w", err)
		}
	}
	for key, value := range peers.SkyDNS(l.Fleet) {
		if err := add(key, value, false); err != nil {
			return fmt.Errorf("fill etcd: %w", err)
		}
	}
	return add("filled", "", true)
}

func (l *Lab) encode(o kube.Object) ([]byte, error) {
	if l.JSON {
		return kube.JSON(o)
	}
	return kube.Protobuf(o)
}
