// Package write changes a registry: it applies and deletes objects, and
// allocates the portal IPs and node ports of services. Each write is one etcd
// transaction that fails if what it was based on has changed; it is then made
// anew.
//
// # Portal IPs
//
// The portal networks are those of the registry's ServiceCIDR objects, of which
// Init writes the one named "kubernetes". Who holds an address is written down
// twice, as in Kubernetes: in the service, and in an IPAddress object at
// <prefix>/ipaddresses/<address>. Both are written in one transaction, under
// the condition that the IPAddress doesn't exist. So two writers never take the
// same address, whatever they knew before. Addresses of services that were
// written by hand, without an IPAddress, count as held; an IPAddress whose
// service was deleted by hand doesn't.
//
// # Node ports
//
// A service of type NodePort gets a node port for each of its ports that names
// none, and keeps it: 30000 to 32767 as in Kubernetes, or what SetNodePorts
// wrote to <prefix>/svcreg/nodeports. One of type LoadBalancer gets them only if
// its spec.allocateLoadBalancerNodePorts is true. Kubernetes takes that as the
// default, but svcreg's own load balancer needs none, and at a node port
// loadBalancerSourceRanges keep nobody out. With externalTrafficPolicy Local it
// gets a healthCheckNodePort either way. Services of v1beta1 and v1beta2 have no
// node ports, and one of another type loses those that it names: they would lead
// nowhere.
//
// Who holds a port is written down in the services alone. Whoever takes one also
// writes one of a few keys below that of the range, the same one for the same
// port, under the condition that nobody did since the services were read; so two
// writers never take the same, whatever they knew before. Where a service is
// deleted, by whomever, its ports are free.
//
// # Whose registry it is
//
// A registry that an apiserver writes to is left alone, see ForeignError. Init
// marks a registry as svcreg's own with the key <prefix>/svcreg/owner, which no
// apiserver reads or writes.
package write

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

// Options change what a Writer does. The zero Options are for everyday use.
type Options struct {
	// WriteToKubernetes lets the Writer change a registry that belongs to a
	// live Kubernetes, behind its apiserver's back: no admission, no caches
	// told.
	WriteToKubernetes bool
}

// Writer changes one registry. It may be used by several goroutines at once.
type Writer struct {
	client *clientv3.Client
	layout codec.Layout
	opts   Options
	ledger *ledger
	random func(below uint64) uint64
}

// New returns a Writer for the registry of a layout. It contacts nobody yet.
// The client stays the caller's to close.
func New(client *clientv3.Client, layout codec.Layout, opts Options) *Writer {
	return &Writer{
		client: client,
		layout: layout,
		opts:   opts,
		ledger: newLedger(client, layout, !opts.WriteToKubernetes),
		random: rand.Uint64N,
	}
}

// Outcome says what a write did.
type Outcome uint8

// The outcomes of Apply.
const (
	// Unchanged means that the registry has the object already; nothing was
	// written.
	Unchanged Outcome = iota
	// Created means that there was no such object.
	Created
	// Configured means that an object was changed.
	Configured
)

// String returns the word that a command line prints, such as "created".
func (o Outcome) String() string {
	return [...]string{"unchanged", "created", "configured"}[o]
}

const (
	// maxAttempts is how often a write that lost a race is made anew. Some
	// other write succeeds each time, so hundreds of writers all get through.
	maxAttempts = 100
	// maxPause bounds the pause before a new attempt.
	maxPause = 50 * time.Millisecond
)

// untilDone makes attempts until one is done or fails. Pauses between them
// grow, and are of random length so that writers which met once don't meet
// again.
func (w *Writer) untilDone(ctx context.Context, attempt func() (done bool, err error)) error {
	for i := range maxAttempts {
		if done, err := attempt(); done || err != nil {
			return err
		}
		longest := min(time.Millisecond<<min(i, 10), maxPause)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(w.random(uint64(longest)))):
		}
	}
	return fmt.Errorf("%w, for %d attempts", ErrConflict, maxAttempts)
}
