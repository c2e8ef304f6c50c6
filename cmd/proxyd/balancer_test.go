//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// balanced stores a service that wants a load balancer, and its endpoints.
func (f *fleet) balanced(version, name string) {
	f.t.Helper()
	value := fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": %q}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}`, name)
	if version == "v1beta1" {
		value = fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1beta1", "id": %q, "port": 80, "createExternalLoadBalancer": true}`, name)
	}
	f.put("/registry/services/specs/default/"+name, value)
	f.put("/registry/services/endpoints/default/"+name,
		fmt.Sprintf(`{"kind": "Endpoints", "apiVersion": "v1beta1", "id": %q, "endpoints": ["10.1.1.2:80"]}`, name))
}

// address waits until a service has an address of a load balancer, or a public
// one.
func (f *fleet) address(name string) (addr string) {
	f.t.Helper()
	ref := registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "default", Name: name}}
	f.eventually("an address for "+name, func() error {
		response, err := f.etcd.Client().Get(f.t.Context(), "/registry/services/specs/default/"+name)
		if err != nil || len(response.Kvs) == 0 {
			return errors.Join(errors.New("no service"), err)
		}
		object, err := codec.Decode(ref, response.Kvs[0].Value)
		if err != nil {
			return err
		}
		s := object.(*registry.Service)
		for _, a := range append(s.LoadBalancerIPs, s.PublicIPs...) {
			addr = a.String()
			return nil
		}
		return errors.New("none")
	})
	return addr
}

// A service that wants a load balancer gets an address of a pool, and is reached
// at it from outside, with nothing else said to proxyd, whatever version it was
// written in; also after a restart without etcd.
func TestLoadBalancersAreReached(t *testing.T) {
	for _, mode := range []string{"iptables", "nftables"} {
		t.Run(mode, func(t *testing.T) {
			f := newFleet(t)
			args := []string{"--proxy-mode=" + mode, "--controllers=loadbalancer", "--snapshot=" + t.TempDir() + "/snapshot"}
			stop := f.start(args...)
			f.balanced("v1", "today")
			f.balanced("v1beta1", "old")
			f.put("/registry/svcreg/pools/public", `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "public"}, "spec": {"addresses": ["203.0.113.0/28"]}}`)
			today, old := f.address("today")+":80", f.address("old")+":80"
			f.reaches(f.client, "tcp", today, "one")
			f.reaches(f.node, "tcp", today, "one")
			f.reaches(f.client, "tcp", old, "one")

			stop(syscall.SIGTERM)
			f.etcd.Stop()
			stop = f.start(args...)
			f.ready()
			for range 20 {
				for _, to := range []string{today, old} {
					if got, err := f.ask(f.client, "tcp", to, patient); got != "one" {
						t.Fatalf("%s after a restart without etcd: %q, %v", to, got, err)
					}
				}
			}
			f.etcd.Restart()
			stop(syscall.SIGTERM)

			f.start(args...)
			f.delete("/registry/services/specs/default/today")
			f.eventually("the address leads nowhere once its service is gone", func() error {
				if _, err := f.ask(f.client, "tcp", today, soon); err == nil {
					return errors.New("it does")
				}
				return nil
			})
			f.balanced("v1", "today")
			if again := f.address("today") + ":80"; again != today {
				t.Errorf("the service comes back at %s, and was at %s", again, today)
			}
			f.reaches(f.client, "tcp", today, "one")
		})
	}
}

// ready waits until all rules stand.
func (f *fleet) ready() {
	f.t.Helper()
	f.eventually("proxyd is ready", func() error {
		if status, body := f.get("127.0.0.1:10256", "/readyz"); status != http.StatusOK {
			return fmt.Errorf("%d: %s", status, body)
		}
		return nil
	})
}
