package write

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// family is an IP address family, by its version number.
type family int

const (
	ipv4 family = 4
	ipv6 family = 6
)

// String returns what Kubernetes calls the family.
func (f family) String() string { return fmt.Sprintf("IPv%d", int(f)) }

func familyOf(addr netip.Addr) family {
	if addr.Is4() {
		return ipv4
	}
	return ipv6
}

// familiesOf returns the families of some addresses, each once.
func familiesOf(addrs ...netip.Addr) []family {
	var families []family
	for _, addr := range addrs {
		if f := familyOf(addr); !slices.Contains(families, f) {
			families = append(families, f)
		}
	}
	return families
}

// The values of a v1 Service's spec.ipFamilyPolicy.
const (
	singleStack      = "SingleStack"
	preferDualStack  = "PreferDualStack"
	requireDualStack = "RequireDualStack"
)

// wish is what a v1 Service says about address families. The older versions
// say nothing.
type wish struct {
	Policy   string   `json:"ipFamilyPolicy"`
	Families []string `json:"ipFamilies"`
}

// missing returns the families in which a service is still to get an address,
// where the registry offers some and the service has, or names, an address of
// others already.
func (w *wish) missing(offered, present []family) ([]family, error) {
	order, err := w.order(offered)
	if err != nil {
		return nil, err
	}
	policy, err := w.policy()
	switch {
	case err != nil:
		return nil, err
	case policy == singleStack && len(present) > 0:
		return nil, nil
	case len(offered) == 0 && len(present) == 0:
		return nil, ErrNotInitialised
	case policy == singleStack:
		order = order[:1]
	}
	missing, err := subtract(order, present, offered, policy == preferDualStack)
	if err == nil && policy == requireDualStack && len(missing)+len(present) < 2 {
		err = fmt.Errorf("spec.ipFamilyPolicy: %s: want a portal network of each family, the registry has only %v", policy, offered)
	}
	return missing, err
}

// subtract returns what is wanted and not present. It has to be on offer, but
// for the second family where that is optional.
func subtract(wanted, present, offered []family, optional bool) ([]family, error) {
	var missing []family
	for i, f := range wanted {
		switch {
		case slices.Contains(present, f):
		case slices.Contains(offered, f):
			missing = append(missing, f)
		case i == 0 || !optional:
			return nil, fmt.Errorf("spec.ipFamilies: %s: want a family of the portal networks, %v", f, offered)
		}
	}
	return missing, nil
}

// order returns the families that a service asks for, and then those it could
// have too.
func (w *wish) order(offered []family) ([]family, error) {
	var order []family
	for i, name := range w.Families {
		f := map[string]family{ipv4.String(): ipv4, ipv6.String(): ipv6}[name]
		if f == 0 || slices.Contains(order, f) {
			return nil, fmt.Errorf("spec.ipFamilies[%d]: %q: want IPv4 or IPv6, each once", i, name)
		}
		order = append(order, f)
	}
	for _, f := range offered {
		if !slices.Contains(order, f) {
			order = append(order, f)
		}
	}
	return order, nil
}

// policy returns the service's policy; to list both families is to require
// them.
func (w *wish) policy() (string, error) {
	byDefault := singleStack
	if len(w.Families) > 1 {
		byDefault = requireDualStack
	}
	policies := []string{singleStack, preferDualStack, requireDualStack}
	policy := cmp.Or(w.Policy, byDefault)
	if !slices.Contains(policies, policy) {
		return "", fmt.Errorf("spec.ipFamilyPolicy: %q: want one of %v", policy, policies)
	}
	return policy, nil
}
