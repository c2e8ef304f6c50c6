package lab

import (
	"net/netip"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/kube"
)

// service is the one that proxyd leads to, and prefix the path it has there.
var (
	service = fleet.Service{Name: "web", Namespace: "bench", Portals: []netip.Addr{netip.MustParseAddr("10.96.0.1")}}
	prefix  = "/api/v1/namespaces/" + service.Namespace + "/services/" + service.Name + "/proxy"
)

// objects are what a registry has of the service, with its only endpoint.
func objects(backend netip.AddrPort) []kube.Object {
	s := service
	s.Endpoints = []netip.Addr{backend.Addr()}
	slice := kube.Slice(s)
	slice.Ports[0].Port = new(int32(backend.Port()))
	return []kube.Object{kube.Namespace(s.Namespace), kube.Service(s), slice}
}
