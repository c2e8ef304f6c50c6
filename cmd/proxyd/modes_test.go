//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// Whoever goes from one mode to the other loses no connection, and the rules of
// the first are gone when those of the second stand. Cleanup removes both.
func TestModesFollowEachOther(t *testing.T) {
	f := newFleet(t)
	stop := f.start("--proxy-mode=iptables")
	f.reaches(f.client, "tcp", portal, "one")
	more := f.load()
	for _, mode := range []string{"nftables", "iptables", "nftables"} {
		stop(syscall.SIGTERM)
		stop = f.start("--proxy-mode=" + mode)
		f.eventually(mode+" alone", func() error {
			if left := f.stands(); left["nftables"] != (mode == "nftables") || left["iptables"] != (mode == "iptables") {
				return fmt.Errorf("rules stand of %v", left)
			}
			return nil
		})
		more(20)
		for _, server := range []string{"two", "one"} {
			f.endpoints(server)
			f.reaches(f.client, "tcp", portal, server)
			f.reaches(f.client, "udp", portal, server)
			f.reaches(f.client, "tcp", "10.1.0.1:80", server)
		}
	}
	more(20)
	stop(syscall.SIGTERM)
	if !f.stands()["nftables"] {
		t.Error("the rules are gone when proxyd ends")
	}
	for range 2 {
		f.run("cleanup")
		if left := f.stands(); left["nftables"] || left["iptables"] {
			t.Errorf("after cleanup there stands %v", left)
		}
	}
}

// In mode nftables a flush by others is repaired.
func TestRepairOfNFTables(t *testing.T) {
	f := newFleet(t)
	f.start("--proxy-mode=nftables")
	f.reaches(f.client, "tcp", portal, "one")
	f.nft("flush", "ruleset")
	f.reaches(f.client, "tcp", portal, "one")
	f.endpoints()
	f.eventually("a service without endpoints refuses at once", func() error {
		if _, err := f.ask(f.client, "udp", portal, soon); !errors.Is(err, syscall.ECONNREFUSED) {
			return errors.Join(errors.New("want a refusal"), err)
		}
		return nil
	})
}

// stands says which modes have rules on the node.
func (f *fleet) stands() map[string]bool {
	f.t.Helper()
	return map[string]bool{
		"iptables": strings.Contains(f.iptables("nft", "-save"), "SVCREG-"),
		"nftables": strings.Contains(f.nft("list", "tables"), "svcreg"),
	}
}

// nft runs nft on the node.
func (f *fleet) nft(args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patient)
	defer cancel()
	out, err := f.node.Command(ctx, "nft", args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("nft %q: %v: %s", args, err, out)
	}
	return string(out)
}
