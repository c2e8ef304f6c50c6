package nftables

import "context"

// ledger is a kernel, and knows whether somebody else has changed it. Each
// transaction makes the next generation of nf_tables, whoever's it is: so it is
// known, without asking, which one stands if there were ours only. One that
// somebody made between two of ours is found whenever one looks, as there is one
// too many.
type ledger struct {
	kernel
	// next is the generation that stands if nobody else made any; not known
	// before the first look, and after a failure.
	next  uint32
	known bool
}

// untouched reports whether nobody else has changed rules since begin.
func (l *ledger) untouched() bool {
	g, err := l.generation()
	return err == nil && l.known && g == l.next
}

// begin has the generations count from here. All that is known of the kernel
// has to be read after it.
func (l *ledger) begin() {
	g, err := l.generation()
	l.next, l.known = g, err == nil // who can't tell reads each time
}

// made notes what became of a transaction of ours.
func (l *ledger) made(err error) error {
	switch {
	case err == nil:
		if l.next++; l.next == 0 { // the kernel leaves out 0, too
			l.next++
		}
	case !isRefusal(err):
		l.known = false
	}
	return err
}

func (l *ledger) run(ctx context.Context, script string) error {
	return l.made(l.kernel.run(ctx, script))
}

func (l *ledger) sign(f Family, version uint32) error {
	return l.made(l.kernel.sign(f, version))
}

func (l *ledger) commit(f Family, gone, come []element) error {
	return l.made(l.kernel.commit(f, gone, come))
}
