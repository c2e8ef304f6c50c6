package nftables

import (
	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// manyElements are so many that they are cheaper replaced than read: for each
// part that the kernel tells of a map, it goes over all that it told before.
const manyElements = 100_000

// replace puts the elements of rules in place of all that stand, in one
// transaction, if they are many. It reports whether that was done; where the
// kernel is against it, what stands is what stood.
func (p *Proxier) replace(f rules.Family, all []rules.Rule) bool {
	var come []element
	known := map[string]bool{}
	for i := range all {
		elements(&all[i], func(e element) { come = append(come, e) })
		hairpins(&all[i], func(e element) {
			if !known[e.key] {
				known[e.key] = true
				come = append(come, e)
			}
		})
	}
	if len(come) < p.many {
		return false
	}
	if err := p.kernel.replace(f, come); err != nil {
		p.cfg.logger().Info("elements can't be replaced at once; they are compared", "family", f, "err", err)
		return false
	}
	p.families[f].size.Store(int64(len(come)))
	return true
}

func (k *real) replace(f rules.Family, all []element) error {
	r := make(request, 0, 1024+128*len(all))
	r.transaction(unix.NFNL_MSG_BATCH_BEGIN)
	for _, name := range setNames {
		r.flush(f, name)
	}
	r.bySet(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, f, all)
	return k.transact(r)
}

// flush adds a message that takes all elements out of a set.
func (r *request) flush(f rules.Family, set string) {
	at := r.table(unix.NFT_MSG_DELSETELEM, 0, f)
	r.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	r.close(at)
}
