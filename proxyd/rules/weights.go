package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

const (
	// WeightsAnnotation is the annotation of a service that says how new
	// connections are divided among its endpoints, as NAME=WEIGHT, with
	// commas or white space between them:
	//
	//	svcreg.io/weights: "10.1.0.1=3, 10.1.0.9:8080=0, web-0=2"
	//
	// A name is an endpoint's address, its address and port, its hostname or
	// its pod's name; where several name one endpoint the most specific
	// counts, in the order address and port, address, hostname, pod. A weight
	// is a whole number up to MaxWeight, 1 for endpoints that are not named.
	// One whose weight is 0 gets no new connections as long as others serve.
	WeightsAnnotation = "svcreg.io/weights"
	// MaxWeight is the highest weight that an endpoint can have.
	MaxWeight = 1000
	// maxSlots bounds the sum of a target's weights, for data planes that have
	// a slot for each unit of weight. Only a target of more than half as many
	// backends may have more: twice as many as those.
	maxSlots = 1024
)

// weights are those of the endpoints that an annotation names.
type weights map[string]uint16

// parseWeights reads the annotation.
func parseWeights(text string) (weights, error) {
	w := weights{}
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		name, number, ok := strings.Cut(field, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want ENDPOINT=WEIGHT", field)
		}
		weight, err := strconv.ParseUint(number, 10, 16)
		if err != nil || weight > MaxWeight {
			return nil, fmt.Errorf("%q: want a whole number from 0 to %d after the =", field, MaxWeight)
		}
		name, err = endpointName(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", field, err)
		}
		if _, again := w[name]; again {
			return nil, fmt.Errorf("%q: want each endpoint once", field)
		}
		w[name] = uint16(weight)
	}
	return w, nil
}

// endpointName returns the one form of an endpoint's name: addresses can be
// written in several.
func endpointName(name string) (string, error) {
	if at, err := netip.ParseAddrPort(name); err == nil {
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String(), nil
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap().String(), nil
	}
	notInNames := func(r rune) bool { return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }
	if name == "" || strings.ContainsFunc(name, notInNames) {
		return "", errors.New("want an endpoint's address, address:port, hostname or pod before the =")
	}
	return name, nil
}

// of returns the weight of an endpoint.
func (w weights) of(e *registry.Endpoint, at netip.AddrPort) uint16 {
	if len(w) == 0 {
		return 1
	}
	for _, name := range [...]string{at.String(), at.Addr().String(), e.Hostname, e.Target.Name} {
		if weight, ok := w[name]; ok {
			return weight
		}
	}
	return 1
}

// reduce makes the weights of a target as small as they can be, and no larger
// than its slots allow. If all are zero, all count the same.
func reduce(backends []Backend) {
	divisor, sum := uint16(0), 0
	for _, b := range backends {
		divisor = gcd(divisor, b.Weight)
		sum += int(b.Weight)
	}
	if divisor == 0 {
		for i := range backends {
			backends[i].Weight = 1
		}
		return
	}
	sum /= int(divisor)
	limit := max(maxSlots, 2*len(backends))
	for i := range backends {
		weight := int(backends[i].Weight / divisor)
		if sum > limit {
			// Each has one slot. The others are divided by what the weights
			// are above one.
			weight = 1 + (weight-1)*(limit-len(backends))/(sum-len(backends))
		}
		backends[i].Weight = uint16(weight)
	}
}

func gcd(a, b uint16) uint16 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
