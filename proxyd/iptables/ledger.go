package iptables

import (
	"bytes"
	"context"

	machine "github.com/svcreg/svcreg/proxyd/node" // a node is one of a tree here
	"github.com/svcreg/svcreg/proxyd/rules"
)

// ledger is a Kernel, and knows whether somebody else has changed it. Of the
// legacy backend nobody knows that.
type ledger struct {
	Kernel
	machine.Ledger
	legacy bool
}

// Restore counts the transactions of its input: each table is one.
func (l *ledger) Restore(ctx context.Context, family rules.Family, input []byte) error {
	err := l.Kernel.Restore(ctx, family, input)
	if err != nil {
		l.Lose() // tables before the one that was refused are done
		return err
	}
	l.Made(bytes.Count(input, []byte("\nCOMMIT\n")))
	return nil
}

func (l *ledger) untouched() bool { return !l.legacy && l.Untouched(l.Generation()) }

func (l *ledger) begin() {
	if !l.legacy {
		l.Begin(l.Generation())
	}
}

func (l *ledger) check() {
	if !l.legacy {
		l.Check(l.Generation())
	}
}
