//go:build linux

package traffic

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/svcreg/svcreg/bench/dataplane/network"
)

// Flows tells what the first packet of a flow costs.
//
// The client writes packets to its cable, one a flow. A cable between network
// namespaces has no queue: the kernel takes a packet through the node (prerouting,
// routing, forwarding, postrouting) up to where the pods' host swallows it,
// before the write returns. So the time of a write, less than a microsecond of
// which is the client's, is what a new flow costs on one processor. All packets
// must have arrived; the node's flows are deleted after each bout, so that its
// table stays small.
type Flows struct {
	network *network.Network
	sender  *Sender
	handle  *netlink.Handle // in the pods' namespace
}

// batch is how many packets are sent between two looks at the clock; maxFlows
// is how many at most in a bout.
const (
	batch    = 10
	maxFlows = 50_000
)

// NewFlows returns what measures flows in a network. The caller closes it.
func NewFlows(n *network.Network) (*Flows, error) {
	sender, err := NewSender(n)
	f := &Flows{network: n, sender: sender}
	if err != nil {
		return f, err
	}
	err = n.Pods.Do(func() error {
		here, err := netns.Get()
		if err != nil {
			return err
		}
		defer here.Close()
		f.handle, err = netlink.NewHandleAt(here)
		return err
	})
	return f, err
}

// Close closes what NewFlows opened.
func (f *Flows) Close() error {
	if f.handle != nil {
		f.handle.Close()
	}
	return f.sender.Close()
}

// Cost sends packets to an address for a while, and returns what one takes.
func (f *Flows) Cost(ctx context.Context, to netip.AddrPort, during time.Duration) (time.Duration, error) {
	for range batch { // what is met for the first time is not counted
		if err := f.sender.Send(to); err != nil {
			return 0, err
		}
	}
	before, err := f.arrived()
	if err != nil {
		return 0, err
	}
	sent, began := uint64(0), time.Now()
	for time.Since(began) < during && sent < maxFlows && ctx.Err() == nil {
		for range batch {
			if err := f.sender.Send(to); err != nil {
				return 0, fmt.Errorf("send to %v: %w", to, err)
			}
		}
		sent += batch
	}
	took := time.Since(began)
	after, err := f.arrived()
	if err != nil {
		return 0, err
	}
	if after-before < sent {
		return 0, fmt.Errorf("of %d packets to %v, %d arrived", sent, to, after-before)
	}
	return took / time.Duration(max(sent, 1)), f.Forget()
}

// arrived returns how many packets the pods' host has got.
func (f *Flows) arrived() (uint64, error) {
	link, err := f.handle.LinkByName("node")
	if err != nil {
		return 0, err
	}
	return link.Attrs().Statistics.RxPackets, nil
}

// Forget deletes the flows that the node remembers.
func (f *Flows) Forget() error {
	return f.network.Node.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) })
}
