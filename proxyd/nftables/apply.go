package nftables

import (
	"context"
	"errors"
	"fmt"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// maxElements is about how many elements go into one transaction.
const maxElements = 20_000

// applier carries out groups for one family.
type applier struct {
	kernel   kernel
	family   rules.Family
	rejected *rules.RejectedError
}

// apply carries out groups, as much of each as the kernel takes. An error says
// that it is not known what stands now.
func (a *applier) apply(ctx context.Context, groups []group) error {
	for len(groups) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, sum := 0, 0
		for n < len(groups) && (n == 0 || sum+groups[n].len() <= maxElements) {
			sum += groups[n].len()
			n++
		}
		if err := a.commit(groups[:n]); err != nil {
			return err
		}
		groups = groups[n:]
	}
	return nil
}

// commit carries out groups in one transaction. If the kernel refuses that, each
// half is tried by itself, down to the single frontend that it refuses.
func (a *applier) commit(groups []group) error {
	goes, comes := 0, 0
	for i := range groups {
		goes, comes = goes+len(groups[i].gone), comes+len(groups[i].come)
	}
	gone, come := make([]element, 0, goes), make([]element, 0, comes)
	for i := range groups {
		gone, come = append(gone, groups[i].gone...), append(come, groups[i].come...)
	}
	err := a.kernel.commit(a.family, gone, come)
	switch {
	case err == nil || !isRefusal(err):
		return err
	case len(groups) > 1:
		half := len(groups) / 2
		if err := a.commit(groups[:half]); err != nil {
			return err
		}
		return a.commit(groups[half:])
	case groups[0].rule == nil:
		return fmt.Errorf("elements of no service: %w", err)
	}
	a.rejected.Add(groups[0].rule.Service, err)
	return a.withdraw(&groups[0])
}

// withdraw takes out of the kernel what a frontend had, where the kernel refuses
// what it is to have: what stood may be wrong by now.
func (a *applier) withdraw(g *group) error {
	gone := g.whole()
	if len(gone) == 0 {
		return nil
	}
	err := a.kernel.commit(a.family, gone, nil)
	if err != nil && isRefusal(err) {
		return errors.Join(errors.New("elements that stand can't be deleted"), err)
	}
	return err
}
