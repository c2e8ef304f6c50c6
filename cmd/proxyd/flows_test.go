//go:build linux

package main

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A client that keeps its UDP socket, and never pauses, is served once there is
// somebody: though it began before there was a service, and whenever the
// endpoints come back.
func TestUDPSocketsFollow(t *testing.T) {
	f := newFleet(t)
	f.start()
	f.reaches(f.client, "udp", portal, "one")
	const late = "10.0.0.90:80"
	conn, err := f.client.Dial(t.Context(), "udp", late)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 5 {
		if got, err := answer(conn, soon/10); err == nil {
			t.Fatalf("answered by %q without a service", got)
		}
	}
	follows := func(what string, want string) {
		t.Helper()
		f.eventually(what, func() error {
			got, err := answer(conn, soon/10) // far less than a flow's memory
			if got != want {
				return errors.Join(fmt.Errorf("answered by %q", got), err)
			}
			return nil
		})
	}
	endpoints := func(subsets string) {
		t.Helper()
		f.put("/registry/services/endpoints/default/late", `{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "late"}, "subsets": [`+subsets+`]}`)
	}
	const one = `{"addresses": [{"ip": "10.1.1.2"}], "ports": [{"protocol": "UDP", "port": 80}]}`
	endpoints(one)
	f.put("/registry/services/specs/default/late", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "late"},
		"spec": {"clusterIP": "10.0.0.90", "ports": [{"protocol": "UDP", "port": 80}]}}`)
	follows("a socket from before the service", "one")
	endpoints("")
	f.eventually("no endpoints", func() error {
		if got, err := answer(conn, soon/10); err == nil {
			return fmt.Errorf("answered by %q", got)
		}
		return nil
	})
	for range 5 {
		_, _ = answer(conn, 20*time.Millisecond)
	}
	endpoints(one)
	follows("endpoints that come back", "one")
}
