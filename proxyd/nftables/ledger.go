package nftables

import (
	"context"

	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/proxyd/rules"
)

// ledger is a kernel, and knows whether somebody else has changed it.
type ledger struct {
	kernel
	node.Ledger
}

// made notes what became of a transaction of ours.
func (l *ledger) made(err error) error {
	switch {
	case err == nil:
		l.Made(1)
	case !isRefusal(err):
		l.Lose()
	}
	return err
}

func (l *ledger) run(ctx context.Context, script string) error {
	return l.made(l.kernel.run(ctx, script))
}

func (l *ledger) sign(f rules.Family, version uint32) error {
	return l.made(l.kernel.sign(f, version))
}

func (l *ledger) replace(f rules.Family, all []element) error {
	return l.made(l.kernel.replace(f, all))
}

func (l *ledger) commit(f rules.Family, gone, come []element) error {
	return l.made(l.kernel.commit(f, gone, come))
}
