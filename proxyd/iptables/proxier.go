package iptables

import (
	"context"
	"net/netip"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// Proxier keeps the kernel's iptables rules in step with a Ruleset. Its
// methods are for one goroutine at a time.
type Proxier struct {
}

// New returns a Proxier for the iptables of this machine. It fails where
// there is no usable iptables; without ip6tables it does IPv4 only, and says
// so once.
func New(cfg Config) (*Proxier, error) {
	panic("todo")
}

// Sync makes the kernel do what a Ruleset says. Changed names the frontends
// whose rules differ from those of the last Sync; nil means that anything may
// differ, and that the kernel is read first and repaired. Portal are the
// networks of portal IPs; with none those of the Config count.
//
// Where the kernel refuses single services the others are carried out, and
// the error is or wraps a *RejectedError. After any other error the next Sync
// reads the kernel, whatever changed.
func (p *Proxier) Sync(ctx context.Context, r *rules.Ruleset, changed []rules.Frontend, portal []netip.Prefix) error {
	panic("todo")
}

// Cleanup removes everything that a Proxier made, of both families: in mode
// nft or legacy that of one backend, in mode auto that of each one present.
// All else stays as it is.
func Cleanup(ctx context.Context, mode string) error {
	panic("todo")
}
