package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// Watch calls changed whenever an address of the node comes or goes, until ctx
// ends; it returns nil then, and an error where the kernel tells no more.
func Watch(ctx context.Context, changed func()) error {
	updates, done := make(chan netlink.AddrUpdate), make(chan struct{})
	var failed error
	err := netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{
		ErrorCallback: func(err error) { failed = err },
	})
	if err != nil {
		return fmt.Errorf("watch the node's addresses: %w", err)
	}
	// The subscription ends when the channel is closed, and not before.
	defer func() {
		for range updates {
		}
	}()
	defer close(done)
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-updates:
			if !ok {
				return fmt.Errorf("watch the node's addresses: %w", errors.Join(failed, errEnded))
			}
			changed()
		}
	}
}

var errEnded = errors.New("the kernel ended the subscription")
