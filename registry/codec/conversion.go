package codec

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
)

// source is an object in its typed form, which is today's: *corev1.Service,
// Endpoints, Pod, Node or Namespace, *discoveryv1.EndpointSlice,
// *networkingv1.ServiceCIDR or IPAddress.
type source struct {
	typed    metav1.Object
	version  string
	protobuf bool
}

// conversion turns values into typed objects and those into the model, and
// collects what is wrong.
type conversion struct {
	file   string
	ref    registry.Ref
	naming naming
	// firstPort says that a service's unset target port is registry.FirstPort.
	firstPort bool
	errs      []error
}

// maxErrors is how many wrong fields of one object are reported.
const maxErrors = 10

func newConversion(file string, r registry.Ref) *conversion {
	return &conversion{file: file, ref: r, naming: asIs}
}

func (c *conversion) err() error { return errors.Join(c.errs...) }

// fail notes that a field, named as in v1, is not what it must be.
func (c *conversion) fail(path, value, want string) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, &FieldError{File: c.file, Ref: c.ref, Field: c.naming(path), Value: value, Want: want})
	}
}

// failWith notes an error that concerns the object as a whole.
func (c *conversion) failWith(err error) {
	err = fmt.Errorf("%s: %w", c.ref, err)
	if c.file != "" {
		err = fmt.Errorf("%s: %w", c.file, err)
	}
	c.errs = append(c.errs, err)
}

// object returns the model of a typed object.
func (c *conversion) object(src *source) registry.Object {
	meta := c.meta(src)
	switch o := src.typed.(type) {
	case *corev1.Service:
		return c.service(meta, o)
	case *corev1.Endpoints:
		return c.endpoints(meta, o)
	case *discoveryv1.EndpointSlice:
		return c.endpointSlice(meta, o)
	case *corev1.Pod:
		return c.pod(meta, o)
	case *corev1.Node:
		return c.node(meta, o)
	case *corev1.Namespace:
		return &registry.Namespace{Meta: meta}
	case *networkingv1.ServiceCIDR:
		return c.serviceCIDR(meta, o)
	case *networkingv1.IPAddress:
		return c.ipAddress(meta, o)
	}
	panic(fmt.Sprintf("codec: no conversion for %T", src.typed))
}

func (c *conversion) meta(src *source) registry.Meta {
	return registry.Meta{
		Kind:        c.ref.Kind,
		Key:         c.ref.Key,
		UID:         string(src.typed.GetUID()),
		Created:     created(src.typed),
		Labels:      orNil(src.typed.GetLabels()),
		Annotations: orNil(src.typed.GetAnnotations()),
		APIVersion:  src.version,
		Protobuf:    src.protobuf,
	}
}

// orNil makes no difference between an empty map and none.
func orNil(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// place is where a value stands: at a path, or in a field of an element of a
// list. The path is put together only where something is wrong.
type place struct {
	path    string
	element int // -1 for none
	field   string
}

func at(path string) place { return place{path, -1, ""} }

// in returns the place of a field, such as ".port", of an element of a list.
func in(list string, i int, field string) place { return place{list, i, field} }

func (p place) String() string {
	if p.element < 0 {
		return p.path
	}
	return index(p.path, p.element) + p.field
}

// addr reads an IP address.
func (c *conversion) addr(where place, text string) netip.Addr {
	addr, ok := parseAddr(text)
	if !ok {
		c.fail(where.String(), text, "an IP address")
	}
	return addr
}

// parseAddr returns an IP address. IPv4 in IPv6 clothes is IPv4. Zones mean
// nothing outside one host.
func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// addrs reads a list of addresses in which none may be empty, and drops
// repetitions.
func (c *conversion) addrs(path string, texts []string) []netip.Addr {
	var list []netip.Addr
	for i, text := range texts {
		if a := c.addr(in(path, i, ""), text); a.IsValid() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

func (c *conversion) prefixes(path string, texts []string) []netip.Prefix {
	var list []netip.Prefix
	for i, text := range texts {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			c.fail(index(path, i), text, "a network such as 10.0.0.0/16")
			continue
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		list = append(list, p.Masked())
	}
	return list
}

const wantPort = "1 to 65535"

// port reads a port number that must be there.
func (c *conversion) port(where place, number int32) uint16 {
	if number < 1 || number > 65535 {
		c.fail(where.String(), strconv.Itoa(int(number)), wantPort)
		return 0
	}
	return uint16(number)
}

// optionalPort reads a port number that may be zero, for none.
func (c *conversion) optionalPort(where place, number int32) uint16 {
	if number == 0 {
		return 0
	}
	return c.port(where, number)
}

// protocol reads a protocol: TCP where none is written. The case of the three
// that are known does not matter, as it did not in 2014.
func protocol(p corev1.Protocol) registry.Protocol {
	switch upper := strings.ToUpper(string(p)); upper {
	case "", "TCP":
		return registry.TCP
	case "UDP":
		return registry.UDP
	case "SCTP":
		return registry.SCTP
	}
	return registry.Protocol(p)
}

// index returns the path of an element of a list.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
