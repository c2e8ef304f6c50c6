package node

// Ledger knows whether somebody else has changed rules. Each transaction makes
// the next generation of nf_tables, whoever's it is: so it is known which one
// stands if there were ours only. One that somebody made between two of ours is
// found whenever one looks, as there is one too many. The zero Ledger knows
// nothing.
type Ledger struct {
	next  uint32 // the generation that stands if nobody else made any
	known bool
}

// Untouched reports whether nobody else has changed rules since Begin, given
// what Generation returns now.
func (l *Ledger) Untouched(now uint32, err error) bool {
	return err == nil && l.known && now == l.next
}

// Begin has the generations count from here. All that is known of the rules has
// to be read after it.
func (l *Ledger) Begin(now uint32, err error) {
	l.next, l.known = now, err == nil
}

// Made notes so many transactions of ours.
func (l *Ledger) Made(transactions int) {
	for range transactions {
		if l.next++; l.next == 0 { // the kernel leaves out 0, too
			l.next++
		}
	}
}

// Check forgets what is known if somebody else has changed rules: he may have
// had his turn in place of one of ours that had nothing to do.
func (l *Ledger) Check(now uint32, err error) {
	l.known = l.Untouched(now, err)
}

// Lose notes that it is not known what became of a transaction of ours.
func (l *Ledger) Lose() { l.known = false }
