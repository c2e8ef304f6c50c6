package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// ErrMissing says that there is no iptables of a backend.
var ErrMissing = errors.New("no iptables-save and iptables-restore of that backend on this machine")

// Cleanup removes everything that a Proxier made, of both families: in mode
// nft or legacy that of one backend, in mode auto that of each one present.
// All else stays as it is.
func Cleanup(ctx context.Context, mode string) error {
	if err := (Config{Mode: mode}).Validate(); err != nil {
		return err
	}
	modes := []string{mode}
	if mode == "" || mode == ModeAuto {
		modes = []string{ModeAuto, ModeNFT, ModeLegacy}
	}
	var errs []error
	found := false
	for _, mode := range modes {
		ok, err := newCommands(mode).cleanup(ctx)
		found = found || ok
		errs = append(errs, err)
	}
	if !found {
		errs = append(errs, ErrMissing)
	}
	return errors.Join(errs...)
}

// cleanup removes what is ours from one backend, and reports whether there is
// such a backend.
func (c commands) cleanup(ctx context.Context) (found bool, err error) {
	var errs []error
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		if _, err := exec.LookPath(c.name(family, "-save")); err != nil {
			continue
		}
		found = true
		if err := remove(ctx, c, family); err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", family, err))
		}
	}
	return found, errors.Join(errs...)
}

// remove deletes our chains and the rules that lead to them, of one family.
func remove(ctx context.Context, k Kernel, family rules.Family) error {
	save, err := k.Save(ctx, family)
	if err != nil {
		return fmt.Errorf("reading what stands: %w", err)
	}
	if input := removal(readStanding(save)); len(input) > 0 {
		return k.Restore(ctx, family, input)
	}
	return nil
}

// removal returns the iptables-restore input that deletes what stands.
func removal(st standing) []byte {
	perTable := map[string]*bytes.Buffer{}
	table := func(name string) *bytes.Buffer {
		if perTable[name] == nil {
			perTable[name] = &bytes.Buffer{}
		}
		return perTable[name]
	}
	for _, j := range st.strays {
		fmt.Fprintf(table(j.table), "-D %s %s\n", j.chain, j.rule)
	}
	own := slices.SortedFunc(maps.Keys(st.own), ref.compare)
	for _, command := range []string{"-F", "-X"} {
		for _, r := range own {
			fmt.Fprintf(table(r.table), "%s %s\n", command, r.name)
		}
	}
	var input bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(perTable)) {
		fmt.Fprintf(&input, "*%s\n%sCOMMIT\n", name, perTable[name])
	}
	return input.Bytes()
}
