package nftables

import (
	"context"
	"fmt"
)

// Cleanup removes everything that a Proxier made. Where there is no nft(8), or
// nothing of ours, it does nothing.
func Cleanup(ctx context.Context) error {
	families, err := probe()
	if err != nil {
		return nil //nolint:nilerr // then nobody made anything
	}
	k := &real{}
	for _, f := range families {
		s, err := k.glance(f)
		if err == nil && s == nil {
			continue
		}
		if err := k.run(ctx, removal(f)); err != nil {
			return fmt.Errorf("%v: %w", f, err)
		}
	}
	return nil
}
