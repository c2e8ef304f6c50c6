// Package shape has the ways of having services in the kernel that are
// compared: kube-proxy's iptables shape, svcreg's, and what nothing costs less
// than.
package shape

import (
	"context"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/services"
)

// Name names a shape.
type Name string

// The shapes. Linear is kube-proxy's: all services in one list. Tree and maps
// are svcreg's. Forwarding and tracking are no shapes but floors: a router that
// has no rules, and one that tracks connections and translates none.
const (
	Forwarding   Name = "forwarding"
	Tracking     Name = "tracking"
	LinearNFT    Name = "linear, iptables-nft"
	LinearLegacy Name = "linear, iptables-legacy"
	TreeNFT      Name = "tree, iptables-nft"
	TreeLegacy   Name = "tree, iptables-legacy"
	Maps         Name = "maps, nftables"
)

// Plane has services in the kernel of the host that the calling thread is on.
type Plane interface {
	// Load programs a fleet where nothing stands. It returns how long the
	// kernel's programming took, without what comes before it.
	Load(ctx context.Context, f *services.Fleet) (time.Duration, error)
	// Change programs that a service is another now, with as many endpoints,
	// and returns how long that took.
	Change(ctx context.Context, old, now services.Service) (time.Duration, error)
}

// Shape is a way of having services in the kernel.
type Shape struct {
	Name
	// Rival is what svcreg's is compared with; empty for others.
	Rival Name
	// Daemon are the flags of a proxyd that makes this shape; nil if it is
	// not svcreg's.
	Daemon []string
	// Open returns the shape's Plane, for the host of the calling thread.
	Open func() (Plane, error)
}

// All are the shapes, in the order of tables.
var All = []Shape{
	{Name: Forwarding, Open: func() (Plane, error) { return floor(""), nil }},
	{Name: Tracking, Open: func() (Plane, error) { return floor(tracking), nil }},
	{Name: LinearNFT, Open: func() (Plane, error) { return &linear{backend: "nft"}, nil }},
	{Name: LinearLegacy, Open: func() (Plane, error) { return &linear{backend: "legacy"}, nil }},
	{Name: TreeNFT, Rival: LinearNFT, Daemon: []string{"--proxy-mode=iptables", "--iptables-backend=nft"}, Open: tree("nft")},
	{Name: TreeLegacy, Rival: LinearLegacy, Daemon: []string{"--proxy-mode=iptables", "--iptables-backend=legacy"}, Open: tree("legacy")},
	{Name: Maps, Rival: LinearNFT, Daemon: []string{"--proxy-mode=nftables"}, Open: maps},
}

// IsFloor tells whether a shape has no services.
func (n Name) IsFloor() bool { return n == Forwarding || n == Tracking }

// IsLinear tells whether a shape is the peer's.
func (n Name) IsLinear() bool { return n == LinearNFT || n == LinearLegacy }

// IsOurs tells whether a shape is svcreg's.
func (n Name) IsOurs() bool { return !n.IsFloor() && !n.IsLinear() }

// floor is a ruleset for nft without services.
type floor string

// tracking has connections tracked and looked at for translation, by a rule
// that none meets: without one the kernel wouldn't track.
const tracking = `table ip floor {
	chain prerouting { type nat hook prerouting priority dstnat; ip daddr 203.0.113.1 dnat to 203.0.113.2; }
	chain postrouting { type nat hook postrouting priority srcnat; }
}`

// Load programs the floor; a floor has no services.
func (f floor) Load(ctx context.Context, _ *services.Fleet) (time.Duration, error) {
	if f == "" {
		return 0, nil
	}
	return 0, command(ctx, string(f), "nft", "-f", "-")
}

// Change does nothing.
func (floor) Change(context.Context, services.Service, services.Service) (time.Duration, error) {
	return 0, nil
}
