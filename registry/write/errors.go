package write

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

var (
	// ErrNotInitialised says that a service wants a portal IP, or that a value
	// is to be stored as Kubernetes protobuf, in a registry that Init never
	// prepared.
	ErrNotInitialised = errors.New("the registry has no portal network: run svcctl init --portal-net CIDR first")
	// ErrNotFound says that the object to be deleted doesn't exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that others kept changing an object, or taking the
	// addresses meant for it, until the Writer gave up.
	ErrConflict = errors.New("others kept changing it")
)

// ForeignError says that the registry belongs to a live Kubernetes.
type ForeignError struct {
	Key    string // the etcd key that shows it
	Reason string // what stands there
}

// Error names the key that shows it.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("the registry belongs to a Kubernetes, and is read-only: %s is %s", e.Key, e.Reason)
}

// IsForeign reports whether an error says that the registry belongs to a live
// Kubernetes.
func IsForeign(err error) bool {
	_, ok := errors.AsType[*ForeignError](err)
	return ok
}

// FullError says that a portal network has no address left.
type FullError struct {
	Network netip.Prefix
	Held    uint64 // how many addresses it has
}

// Error names the network and its size.
func (e *FullError) Error() string {
	return fmt.Sprintf("portal network %s is full: all %d addresses are held", e.Network, e.Held)
}

// IsFull reports whether an error says that a portal network is full.
func IsFull(err error) bool {
	_, ok := errors.AsType[*FullError](err)
	return ok
}

// TakenError says that the portal IP a service asked for is another's.
type TakenError struct {
	Addr   netip.Addr
	Holder registry.Key // empty if the address is held by nobody knows whom
}

// Error names the address and who holds it.
func (e *TakenError) Error() string {
	if e.Holder == (registry.Key{}) {
		return fmt.Sprintf("portal IP %s is taken: its IPAddress object names no service", e.Addr)
	}
	return fmt.Sprintf("portal IP %s is taken: service %s holds it", e.Addr, e.Holder)
}

// IsTaken reports whether an error says that a portal IP is another's.
func IsTaken(err error) bool {
	_, ok := errors.AsType[*TakenError](err)
	return ok
}

// OutsideError says that the portal IP a service asked for can't be one.
type OutsideError struct {
	Addr     netip.Addr
	Networks []netip.Prefix
}

// Error names the address and the networks in which it would have to be.
func (e *OutsideError) Error() string {
	for _, n := range e.Networks {
		if n.Contains(e.Addr) {
			return fmt.Sprintf("portal IP %s: want another: it is the first or the last of the portal network %s", e.Addr, n)
		}
	}
	return fmt.Sprintf("portal IP %s: want an address of the portal network %s", e.Addr, join(e.Networks))
}

// NodePortError says that a service can't have a node port.
type NodePortError struct {
	Field   string // such as "spec.ports[0].nodePort"
	Port    uint16 // zero where any would have done
	Problem string // in the words of Kubernetes, and who holds it
}

// Error names the field, the port and the problem.
func (e *NodePortError) Error() string { return e.Field + ": " + e.About() }

// About returns the error without the field.
func (e *NodePortError) About() string {
	if e.Port == 0 {
		return e.Problem
	}
	return fmt.Sprintf("%d: %s", e.Port, e.Problem)
}

// join lists networks.
func join(networks []netip.Prefix) string {
	texts := make([]string, len(networks))
	for i, n := range networks {
		texts[i] = n.String()
	}
	return strings.Join(texts, " or ")
}
