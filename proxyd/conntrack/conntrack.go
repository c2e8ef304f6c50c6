// Package conntrack makes UDP flows that the kernel remembers follow a
// service. The kernel translates the first packet of a flow by the rules and
// all others by what it remembers of the first: a client that keeps its socket
// would stay with an endpoint that is gone.
package conntrack

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Flow is all UDP flows to an address that one server answers. The server is
// that address itself where nothing is translated.
type Flow struct {
	To, Server netip.AddrPort
}

// Stale is flows that the kernel is to forget.
type Stale struct {
	// Is says which are.
	Is func(Flow) bool
	// Only has all of which Is may say so. Nil means that any flow may be.
	Only []Flow
}

// few is how many flows the kernel is made to look for one by one: each costs
// it a look at its whole table, which is a tenth and less of what it costs to
// have that told.
const few = 8

// Table is the kernel's table of flows, in the network namespace where it is
// first used. It is not safe for concurrent use. Package netlink's own functions
// for it keep and decode all that the kernel says of each flow, at many times
// the cost of looking at the addresses.
type Table struct {
	// socket stays open: while one of its kind is closed nobody can commit to
	// nf_tables, which takes the kernel 10 to 30 ms.
	socket *nl.SocketHandle
}

// Close closes what the table needs. It may be used again.
func (t *Table) Close() {
	if t.socket != nil {
		t.socket.Close()
		t.socket = nil
	}
}

// DeleteUDP makes the kernel forget the UDP flows that are stale. The kernel
// looks for a few of IPv4 by itself, from Linux 6.8 on; else it tells what flows
// of a family it has, once. After an error some may be left.
func (t *Table) DeleteUDP(s Stale) error {
	err := t.open()
	if err == nil {
		err = t.delete(s)
	}
	if err != nil {
		t.Close() // an answer to what failed may yet come
		return fmt.Errorf("delete stale UDP flows: %w", err)
	}
	return nil
}

func (t *Table) open() error {
	if t.socket != nil {
		return nil
	}
	s, err := nl.Subscribe(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	t.socket = &nl.SocketHandle{Socket: s}
	return errors.Join(s.SetSendTimeout(&nl.SocketTimeoutTv), s.SetReceiveTimeout(&nl.SocketTimeoutTv))
}

func (t *Table) delete(s Stale) error {
	var errs []error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		only := slices.DeleteFunc(slices.Clone(s.Only), func(f Flow) bool { return f.family() != family })
		switch {
		case s.Only == nil || len(only) > few || family != unix.AF_INET && len(only) > 0:
			errs = append(errs, t.sweep(family, s.Is))
		case len(only) > 0:
			err := t.deleteOnly(only)
			if errors.Is(err, unix.EINVAL) {
				err = t.sweep(family, s.Is)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (f Flow) family() uint8 {
	if f.To.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// deleteOnly has the kernel look for flows of IPv4. (Of IPv6, all kernels up to
// 6.18 at least take those with other addresses than the ones they are given.)
// One that is too old for that misses half of each address: EINVAL.
func (t *Table) deleteOnly(flows []Flow) error {
	for _, f := range flows {
		r := t.request(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, unix.AF_INET)
		add(r, f.attributes())
		if _, err := r.Execute(unix.NETLINK_NETFILTER, 0); err != nil {
			return err
		}
	}
	return nil
}

// sweep asks for all flows of a family, and deletes those that are stale.
func (t *Table) sweep(family uint8, stale func(Flow) bool) error {
	found, err := t.find(family, stale)
	errs := []error{err} // an interrupted reading has found some
	for _, attributes := range found {
		r := t.request(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, family)
		r.AddRawData(attributes) // its number too, so that no other flow is meant
		if _, err := r.Execute(unix.NETLINK_NETFILTER, 0); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// find returns the stale flows as the kernel describes them. From Linux 5.8 on
// it leaves out what is no UDP by itself.
func (t *Table) find(family uint8, stale func(Flow) bool) (found [][]byte, err error) {
	r := t.request(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, family)
	add(r, onlyUDP())
	var malformed error
	err = r.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		attributes := message[min(nl.SizeofNfgenmsg, len(message)):]
		flow, protocol, err := parse(attributes)
		if err != nil {
			malformed = fmt.Errorf("a flow as the kernel describes it: %w", err)
		} else if protocol == unix.IPPROTO_UDP && stale(flow) {
			found = append(found, append([]byte(nil), attributes...))
		}
		return true
	})
	return found, errors.Join(err, malformed)
}

// request begins a message about the flows of a family.
func (t *Table) request(kind, flags int, family uint8) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|kind, flags)
	r.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: t.socket}
	r.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return r
}

func add(r *nl.NetlinkRequest, attributes []*nl.RtAttr) {
	for _, a := range attributes {
		r.AddData(a)
	}
}
