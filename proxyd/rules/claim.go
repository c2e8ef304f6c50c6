package rules

import "cmp"

// claim is a service's wish for a frontend, with the rule that it gets there
// if nobody comes before it.
type claim struct {
	Rule
	created int64 // the etcd revision at which the service was
}

// before reports whether a claim holds a frontend against another: portal IPs
// against external addresses, then the service that was created first.
func (c *claim) before(other *claim) bool {
	if c.External != other.External {
		return !c.External
	}
	return cmp.Or(cmp.Compare(c.created, other.created), c.Service.Compare(other.Service)) < 0
}
