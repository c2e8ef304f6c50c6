package iptables

import (
	"fmt"
	"io"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// Render writes what a Sync would give to iptables-restore on a machine
// without any of our rules: first IPv4, then IPv6. It touches nothing, and the
// same rules always give the same text.
func Render(w io.Writer, r *rules.Ruleset, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		s := newState(family, r, cfg.base(nil, true))
		command := newCommands(cfg.Mode).name(family, "-restore")
		if _, err := fmt.Fprintf(w, "# %v: %s --noflush\n%s", family, command, script(repair(standing{}, s).steps())); err != nil {
			return fmt.Errorf("writing the rules: %w", err)
		}
	}
	return nil
}
