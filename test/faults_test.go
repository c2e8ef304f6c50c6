package test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/test/lab"
)

// load is a stream of lookups and connections, of which none may fail.
type load struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	done    atomic.Int64
	failed  atomic.Int64
	first   atomic.Value // the first failure
}

// startLoad looks up and opens services from pods, the node and outside, until
// it is ended.
func (f *fleet) startLoad() *load {
	ctx, stop := context.WithCancel(f.t.Context())
	l := &load{stop: stop}
	f.t.Cleanup(l.end)
	for _, client := range []struct {
		host *lab.Host
		url  string
	}{
		{f.pod1, "http://my-service.my-ns.svc.cluster.local/"},
		{f.pod4, "http://my-service.my-ns.svc.cluster.local/"},
		{f.node1, "http://redis-master.my-ns.cluster.local:6379/"},
		{f.pod1, "http://myapp.default.svc.cluster.local/"},
		{f.outside, "http://" + publicIP + "/"},
	} {
		l.running.Go(func() {
			for ctx.Err() == nil {
				if _, err := f.get(client.host, client.url); err != nil {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, fmt.Sprintf("%s: %s: %v", client.host.Name(), client.url, err))
				}
				l.done.Add(1)
			}
		})
	}
	return l
}

func (l *load) end() {
	l.stop()
	l.running.Wait()
}

// more waits until the load has done some more.
func (l *load) more(t *testing.T) {
	t.Helper()
	goal := l.done.Load() + 200
	eventually(t, patience, "load goes on", func() error {
		if n := l.done.Load(); n < goal {
			return fmt.Errorf("%d done, want %d", n, goal)
		}
		return nil
	})
}

// check ends the load and fails the test if anything of it failed.
func (l *load) check(t *testing.T, during string) {
	t.Helper()
	l.end()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%s: %d of %d lookups and connections failed; the first: %v", during, n, l.done.Load(), l.first.Load())
	}
	t.Logf("%s: %d lookups and connections, %d failed", during, l.done.Load(), l.failed.Load())
}

// proxyd and DNS are restarted, one node at a time, and nobody notices.
func TestRestartsUnderLoad(t *testing.T) {
	f := newFleet(t)
	l := f.startLoad()
	l.more(t)
	for range 3 {
		for _, d := range []*daemon{f.proxyd1, f.proxyd2} {
			d.stop()
			l.more(t)
			d.start()
			eventually(t, patience, d.label+" ready", f.ready(d.host, "10256/readyz"))
			l.more(t)
		}
	}
	f.proxyd1.kill()
	l.more(t)
	f.proxyd1.start()
	eventually(t, patience, "proxyd ready", f.ready(f.node1, "10256/readyz"))
	for _, d := range []*daemon{f.dns1, f.dns2} {
		d.stop()
		l.more(t)
		d.start()
		eventually(t, patience, d.label+" ready", f.ready(d.host, "8181/ready"))
		l.more(t)
	}
	l.check(t, "restarts of proxyd and coredns")
}

// etcd goes away, programs restart without it, and it comes back.
func TestEtcdAwayUnderLoad(t *testing.T) {
	f := newFleet(t)
	l := f.startLoad()
	l.more(t)

	f.etcd.signal(syscall.SIGSTOP)
	l.more(t)
	f.etcd.signal(syscall.SIGCONT)
	l.more(t)

	f.etcd.kill()
	l.more(t)
	for _, d := range []*daemon{f.proxyd1, f.dns1} {
		d.stop()
		d.start()
		l.more(t)
	}
	eventually(t, patience, "DNS answers from its disk copy", func() error {
		addrs, err := f.lookup(f.pod1, "redis-master.my-ns.svc.cluster.local.")
		if err != nil {
			return err
		}
		return want(addrs[0], "10.0.0.11")
	})

	f.etcd.start()
	f.waitEtcd()
	f.apply(`{"kind": "Service", "apiVersion": "v1beta1", "id": "late", "namespace": "my-ns", "port": 80, "portalIP": "10.0.0.99"}
		{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "late", "namespace": "my-ns", "endpoints": ["10.244.1.3:8080"]}`)
	eventually(t, patience, "a service written after etcd's return is reached", func() error {
		_, err := f.get(f.pod4, "http://late.my-ns/")
		return err
	})
	l.more(t)
	l.check(t, "etcd paused, killed and back")
}

// waitEtcd waits until etcd answers.
func (f *fleet) waitEtcd() {
	f.t.Helper()
	eventually(f.t, patience, "etcd answers", func() error {
		ctx, cancel := context.WithTimeout(f.t.Context(), time.Second)
		defer cancel()
		_, err := f.client.Get(ctx, "x")
		return err
	})
}

// ready returns a check of a daemon's readiness.
func (f *fleet) ready(host *lab.Host, portAndPath string) func() error {
	return func() error {
		_, err := f.fetch(host, "http://127.0.0.1:"+portAndPath)
		return err
	}
}
