package test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

// follow is how soon every answer follows a change of the registry.
const follow = time.Second

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
		eventually(t, follow, from.what+" leads to pod4 only", func() error {
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
	eventually(t, follow, "a headless service without endpoints has no name", func() error {
		return notFound(f.lookup(f.pod1, "db.my-ns.svc.cluster.local."))
	})

	f.apply(`{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "my-service", "namespace": "my-ns", "endpoints": ["10.244.1.3:8080"]}`)
	eventually(t, follow, "portal IP leads to pod3 only", func() error {
		a, err := f.get(f.pod1, url)
		return errors.Join(err, want(a.server, "pod3"))
	})

	f.svcctl("delete", "service", "my-service", "-n", "my-ns")
	eventually(t, follow, "the deleted service has no name", func() error {
		return notFound(f.lookup(f.pod1, "my-service.my-ns.svc.cluster.local."))
	})
	eventually(t, follow, "its portal IP leads nowhere", func() error {
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
		eventually(t, follow, "the socket's answers come from "+next.pod, func() error {
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
