package main

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// destination is what a connection is to: an address, or a service by its
// name, and maybe only some of its ports.
type destination struct {
	addr    netip.Addr
	service registry.Key // where addr is the zero Addr
	// endpoint is the label of one endpoint of a headless service.
	endpoint string
	srv      bool // the name is that of a port

	// The ports: by number, by name and by protocol; zero for any.
	number   uint16
	portName string
	protocol registry.Protocol
}

// parseDestination reads HOST|IP[:PORT].
func parseDestination(text, namespace, zone, protocol string) (d destination, err error) {
	d.protocol = registry.Protocol(strings.ToUpper(protocol))
	switch d.protocol {
	case "", registry.TCP, registry.UDP, registry.SCTP:
	default:
		return d, usagef("--protocol %q: want TCP, UDP or SCTP", protocol)
	}
	if d.addr, err = netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		d.addr = d.addr.Unmap()
		return d, nil
	}
	host := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host = text[:i]
		if err := d.parsePort(text[i+1:]); err != nil {
			return d, err
		}
	}
	if d.addr, err = netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		d.addr = d.addr.Unmap()
		return d, nil
	}
	return d, d.parseName(host, namespace, zone)
}

func (d *destination) parsePort(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err == nil && n > 0:
		d.number = uint16(n)
	case text == "" || text[0] >= '0' && text[0] <= '9':
		return usagef("port %q: want 1 to 65535, or a port's name", text)
	default:
		d.portName = text
	}
	return nil
}

// parseName takes a name apart: [_PORT._PROTOCOL.|ENDPOINT.]SERVICE[.NAMESPACE
// [.svc][.ZONE]].
func (d *destination) parseName(host, namespace, zone string) error {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	name = strings.TrimSuffix(name, "."+strings.Trim(strings.ToLower(zone), "."))
	labels := strings.Split(name, ".")
	if n := len(labels); n > 2 && labels[n-1] == "svc" {
		labels = labels[:n-1]
	}
	if n := len(labels); n > 2 && strings.HasPrefix(labels[0], "_") && strings.HasPrefix(labels[1], "_") {
		d.srv, d.portName, d.protocol = true, labels[0][1:], registry.Protocol(strings.ToUpper(labels[1][1:]))
		labels = labels[2:]
	}
	if len(labels) == 3 {
		d.endpoint, labels = labels[0], labels[1:]
	}
	if len(labels) == 1 {
		labels = append(labels, namespace)
	}
	d.service = registry.Key{Namespace: labels[1], Name: labels[0]}
	if len(labels) > 2 {
		return usagef("%q: want a name such as my-service.my-ns.svc.%s", host, strings.Trim(zone, "."))
	}
	if err := checkName("service", d.service.Name); err != nil {
		return err
	}
	return checkName("namespace", d.service.Namespace)
}

// wants reports whether a port is one of those that the connection may be to.
func (d *destination) wants(name string, protocol registry.Protocol, number uint16) bool {
	return (d.portName == "" || d.portName == name) && (d.protocol == "" || d.protocol == protocol) && (d.number == 0 || d.number == number)
}
