package test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

// follows waits until every answer follows a change of the registry, and says
// how long that took. How long it may take is the benchmarks' matter: a test
// shares its machine.
func (f *fleet) follows(what string, check func() error) {
	f.t.Helper()
	began := time.Now()
	eventually(f.t, patience, what, check)
	f.t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
}

// Endpoints change, a service goes: names and addresses follow.
func TestChangesAreFollowed(t *testing.T) {
	f := newFleet(t)
	const url = "http://my-service.my-ns.svc.cluster.local/"
	portal := f.portalIP("my-service.my-ns")

	f.apply(`{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "my-service", "namespace": "my-ns", "endpoints": ["10.244.2.2:8080"]}`)
	for _, from := range []struct{ what, url string }{{"portal IP", url}, {"publicIP", "http://" + publicIP + "/"}} {
		host := f.pod1
		if from.what == "publicIP" {
			host = f.outside
		}
		f.follows(from.what+" leads to pod4 only", func() error {
			for range 10 {
				a, err := f.get(host, from.url)
				if err := errors.Join(err, want(a.server, "pod4")); err != nil {
					return err
				}
			}
			return nil
		})
	}

	f.apply(`{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "db", "namespace": "my-ns"}, "subsets": []}`) // slices win: no change
	f.svcctl("delete", "endpointslice", "db-1", "-n", "my-ns")
	f.follows("a headless service without endpoints has no name", func() error {
		return notFound(f.lookup(f.pod1, "db.my-ns.svc.cluster.local."))
	})

	f.apply(`{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "my-service", "namespace": "my-ns", "endpoints": ["10.244.1.3:8080"]}`)
	f.follows("portal IP leads to pod3 only", func() error {
		a, err := f.get(f.pod1, url)
		return errors.Join(err, want(a.server, "pod3"))
	})

	f.svcctl("delete", "service", "my-service", "-n", "my-ns")
	f.follows("the deleted service has no name", func() error {
		return notFound(f.lookup(f.pod1, "my-service.my-ns.svc.cluster.local."))
	})
	f.follows("its portal IP leads nowhere", func() error {
		if a, err := f.get(f.pod1, "http://"+net.JoinHostPort(portal, "80")+"/"); err == nil {
			return fmt.Errorf("answered by %s", a.server)
		}
		return nil
	})
}

// A client that keeps its UDP socket is not left with a removed endpoint.
func TestUDPFlowsFollowTheirEndpoints(t *testing.T) {
	f := newFleet(t)
	conn, err := f.pod1.Dial(t.Context(), "udp", net.JoinHostPort(f.portalIP("udp-echo.my-ns"), "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, next := range []struct{ pod, address string }{{"pod4", "10.244.2.2"}, {"pod2", "10.244.1.2"}, {"pod4", "10.244.2.2"}} {
		f.apply(`{"kind": "Endpoints", "apiVersion": "v1beta3", "metadata": {"name": "udp-echo", "namespace": "my-ns"},
			"subsets": [{"addresses": [{"IP": "` + next.address + `"}], "ports": [{"name": "echo", "protocol": "UDP", "port": 7007}]}]}`)
		f.follows("the socket's answers come from "+next.pod, func() error {
			a, err := exchange(conn, 100*time.Millisecond)
			return errors.Join(err, want(a.server, next.pod))
		})
	}
}

// notFound returns nil if a lookup said that there is no such name.
func notFound(addrs []string, err error) error {
	if errors.Is(err, errNoSuchName) {
		return nil
	}
	return fmt.Errorf("got %v, want no such name: %w", addrs, err)
}
