package pool

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Claim says who holds an address. It stands at the address's key, so that no
// two writers can give the same one away.
type Claim struct {
	Addr netip.Addr `json:"-"`
	// Pool is where the address is from; empty where a hook gave it.
	Pool string `json:"pool,omitempty"`
	// Holders are the services that have the address: one, or several that
	// share it.
	Holders []Holder `json:"holders"`
	// Revision is the etcd revision at which the claim was written.
	Revision int64 `json:"-"`
}

// Holder is a service that holds an address.
type Holder struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Ports are what it uses of the address, such as "80/TCP".
	Ports []string `json:"ports,omitempty"`
	// Share is what its annotation SharedAnnotation says: services that say
	// the same may share an address.
	Share string `json:"share,omitempty"`
	// Gone is when the service was found to be deleted. The address is kept for
	// it for a while.
	Gone time.Time `json:"gone,omitzero"`
}

// Key returns which service it is.
func (h *Holder) Key() registry.Key { return registry.Key{Namespace: h.Namespace, Name: h.Name} }

// Holder returns the holder that is a service, or nil.
func (c *Claim) Holder(k registry.Key) *Holder {
	for i := range c.Holders {
		if c.Holders[i].Key() == k {
			return &c.Holders[i]
		}
	}
	return nil
}

// With returns the claim with a holder put in, in place of what the service had.
func (c *Claim) With(h Holder) *Claim {
	next := c.Without(h.Key())
	next.Holders = append(next.Holders, h)
	slices.SortFunc(next.Holders, func(a, b Holder) int { return a.Key().Compare(b.Key()) })
	return next
}

// Without returns the claim without a service.
func (c *Claim) Without(k registry.Key) *Claim {
	next := *c
	next.Holders = slices.DeleteFunc(slices.Clone(c.Holders), func(h Holder) bool { return h.Key() == k })
	return &next
}

// Equal reports whether two claims say the same.
func (c *Claim) Equal(other *Claim) bool {
	return c.Addr == other.Addr && c.Pool == other.Pool && slices.EqualFunc(c.Holders, other.Holders, func(a, b Holder) bool {
		return a.Key() == b.Key() && slices.Equal(a.Ports, b.Ports) && a.Share == b.Share && a.Gone.Equal(b.Gone)
	})
}

// Taken returns the claim with a holder put in, and without those services that
// are gone and can't have the address beside it.
func (c *Claim) Taken(h Holder) *Claim {
	next := c.With(h)
	next.Holders = slices.DeleteFunc(next.Holders, func(other Holder) bool {
		return !other.Gone.IsZero() && other.Key() != h.Key() && other.beside(&h) != ""
	})
	return next
}

// admits returns why a holder can't have the address beside those who have it;
// "" if it can. Those who are gone may not count.
func (c *Claim) admits(h *Holder, overGone bool) string {
	if len(c.Holders) == 0 {
		return "its claim can't be read"
	}
	for _, other := range c.Holders {
		if other.Key() == h.Key() || overGone && !other.Gone.IsZero() {
			continue
		}
		if reason := other.beside(h); reason != "" {
			return reason
		}
	}
	return ""
}

// beside returns why another service can't have the holder's address, too.
func (h *Holder) beside(other *Holder) string {
	if h.Share == "" || h.Share != other.Share {
		if !h.Gone.IsZero() {
			return fmt.Sprintf("it is still kept for service %s", h.Key())
		}
		return fmt.Sprintf("service %s holds it", h.Key())
	}
	for _, port := range h.Ports {
		if slices.Contains(other.Ports, port) {
			return fmt.Sprintf("service %s, with which it would be shared, has port %s, too", h.Key(), port)
		}
	}
	return ""
}

// gone returns when the last of the holders was gone; zero while one is there.
func (c *Claim) gone() time.Time {
	var last time.Time
	for _, h := range c.Holders {
		if h.Gone.IsZero() {
			return time.Time{}
		}
		if h.Gone.After(last) {
			last = h.Gone
		}
	}
	return last
}

// Encode returns the claim as it is stored.
func (c *Claim) Encode() ([]byte, error) { return json.Marshal(c) }

// decodeClaim reads a claim. One that can't be read has no holders: its address
// is nobody's to give.
func decodeClaim(a netip.Addr, value []byte, revision int64) (*Claim, error) {
	c := &Claim{}
	err := json.Unmarshal(value, c)
	if err != nil {
		c = &Claim{}
	}
	c.Addr, c.Revision = a, revision
	return c, err
}

// ClaimDir returns what the keys of claims begin with.
func ClaimDir(l codec.Layout) string { return l.Prefix() + "/svcreg/addresses/" }

// ClaimKey returns the key of the claim of an address.
func ClaimKey(l codec.Layout, a netip.Addr) string { return ClaimDir(l) + a.String() }

// claimAddr returns the address that a claim's key is about.
func claimAddr(l codec.Layout, key string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimPrefix(key, ClaimDir(l)))
	return a, err == nil
}

// Ports returns what a service uses of its addresses, as a Holder has it.
func Ports(ports []registry.Port) []string {
	var texts []string
	for _, p := range ports {
		texts = append(texts, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
	slices.Sort(texts)
	return texts
}
