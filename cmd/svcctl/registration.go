package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// The annotations of a record that svcctl wrote: by which command, and under
// which lease, in hexadecimal, if under any.
const (
	registeredAnnotation = "svcreg.io/registered-by"
	leaseAnnotation      = "svcreg.io/lease"
)

// registration is a workload's record in the registry.
type registration struct {
	*registryClient
	writer *write.Writer
	pod    *registry.Pod
	by     string        // the command that registers
	ttl    time.Duration // how long the record outlives a sudden death
	say    func(error)   // what goes wrong while the workload serves

	lease  clientv3.LeaseID // NoLease for none
	behind bool             // the record doesn't say what it should
	gone   bool             // others took it away, or over
}

// newRegistration returns a registration that nothing is written of yet. A
// registry that belongs to others is refused.
func newRegistration(ctx context.Context, r *registryClient, pod *registry.Pod, by string, say func(error)) (*registration, error) {
	writer := write.New(r.Client, r.layout, write.Options{})
	n := &registration{registryClient: r, writer: writer, pod: pod, by: by, say: say}
	calling, cancel := r.within(ctx)
	defer cancel()
	if err := writer.Writable(calling); err != nil {
		return nil, unforced(err)
	}
	document, err := n.document()
	if err == nil {
		err = document.Validate()
	}
	return n, err
}

// unforced returns an error of which nobody will say that a flag overrides it.
func unforced(err error) error {
	if write.IsForeign(err) {
		return errors.New(err.Error())
	}
	return err
}

// document returns the record as it is to be stored.
func (n *registration) document() (*codec.Document, error) {
	n.pod.Annotations = map[string]string{registeredAnnotation: n.by}
	if n.lease != clientv3.NoLease {
		n.pod.Annotations[leaseAnnotation] = leaseText(n.lease)
	}
	value, err := codec.Encode(n.pod)
	if err != nil {
		return nil, err
	}
	return codec.ParseValue(n.pod.Ref(), value)
}

func leaseText(id clientv3.LeaseID) string { return strconv.FormatInt(int64(id), 16) }

// begin writes the record under a new lease.
func (n *registration) begin(ctx context.Context) error {
	ctx, cancel := n.within(ctx)
	defer cancel()
	lease, err := n.Grant(ctx, int64((n.ttl+time.Second-1)/time.Second))
	if err != nil {
		return fmt.Errorf("get a lease: %w", err)
	}
	n.lease = lease.ID
	if err := n.put(ctx); err != nil {
		n.end(ctx)
		return err
	}
	return nil
}

// put writes the record, if there is none or it is one that this workload may
// replace: svcctl's own of the same name and node.
func (n *registration) put(ctx context.Context) error {
	c := write.Condition{Absent: true}
	switch had, revision, err := n.standing(ctx); {
	case errors.Is(err, write.ErrNotFound):
	case err != nil:
		return err
	case had.Annotations[registeredAnnotation] == "":
		return fmt.Errorf("%s: want another name: there is one that svcctl didn't register", n.pod.Ref())
	case had.Node != n.pod.Node:
		return fmt.Errorf("%s: want another name: one on node %s has it", n.pod.Ref(), had.Node)
	default:
		c = write.Condition{Revision: revision}
	}
	return n.write(ctx, c)
}

// standing returns the record that stands, and its revision.
func (n *registration) standing(ctx context.Context) (*registry.Pod, int64, error) {
	document, revision, err := n.writer.Read(ctx, n.pod.Ref())
	if err != nil {
		return nil, 0, err
	}
	o, err := document.Object()
	if err != nil {
		return nil, 0, err
	}
	return o.(*registry.Pod), revision, nil
}

func (n *registration) write(ctx context.Context, c write.Condition) error {
	document, err := n.document()
	if err == nil {
		_, err = n.writer.ApplyLeased(ctx, document, c, n.lease)
	}
	return unforced(err)
}

// keep keeps the record up to date, and the lease alive, until ctx ends. What
// comes from ready is whether the workload is.
func (n *registration) keep(ctx context.Context, ready <-chan bool) {
	tick := time.NewTicker(n.ttl / 4)
	defer tick.Stop()
	failing := ""
	for ticks := 1; ; ticks++ {
		var err error
		select {
		case <-ctx.Done():
			return
		case n.pod.Ready = <-ready:
			n.behind = true
			err = n.refresh(ctx, true)
		case <-tick.C:
			err = n.refresh(ctx, n.behind || ticks%4 == 0)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failing = ""
		case err.Error() != failing: // once for each reason
			failing = err.Error()
			n.say(err)
		}
	}
}

// refresh keeps the lease alive, and registers anew if it has ended, unless
// others had taken the record away before. With look it sees to the record, too.
func (n *registration) refresh(ctx context.Context, look bool) error {
	calling, cancel := context.WithTimeout(ctx, n.ttl/2)
	_, err := n.KeepAliveOnce(calling, n.lease)
	cancel()
	switch {
	case n.gone:
		return errGone
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		if err := n.begin(ctx); err != nil {
			return fmt.Errorf("register anew: %w", err)
		}
		n.behind = false
		return nil
	case err != nil:
		return fmt.Errorf("keep the lease: %w", err)
	case look:
		return n.update(ctx)
	}
	return nil
}

var errGone = errors.New("somebody else deregistered the workload: it stays so")

// update sees whether the record is still the workload's own, and brings it up
// to date.
func (n *registration) update(ctx context.Context) error {
	ctx, cancel := n.within(ctx)
	defer cancel()
	had, revision, err := n.standing(ctx)
	switch {
	case errors.Is(err, write.ErrNotFound), err == nil && had.Annotations[leaseAnnotation] != leaseText(n.lease):
		n.gone = true
		return errGone
	case err == nil && n.behind:
		err = n.write(ctx, write.Condition{Revision: revision})
	}
	if err != nil {
		return fmt.Errorf("say that ready is %t: %w", n.pod.Ready, err)
	}
	n.behind = false
	return nil
}

// end takes the record away with its lease. Where that fails it goes when the
// lease ends.
func (n *registration) end(ctx context.Context) {
	if n.lease == clientv3.NoLease {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(n.timeout, n.ttl))
	defer cancel()
	if _, err := n.Revoke(ctx, n.lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		n.say(fmt.Errorf("deregister %s, which goes by itself within %s: %w", n.pod.Ref(), n.ttl, err))
	}
	n.lease = clientv3.NoLease
}
