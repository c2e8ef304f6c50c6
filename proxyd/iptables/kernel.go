package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/coreos/go-iptables/iptables"

	machine "github.com/svcreg/svcreg/proxyd/node" // a node is one of a tree here
	"github.com/svcreg/svcreg/proxyd/rules"
)

// Kernel is where rules go. A Fake imitates one.
type Kernel interface {
	// Restore carries out iptables-restore input for one family, all of it or
	// nothing of a table, leaving alone what the input doesn't name.
	Restore(ctx context.Context, family rules.Family, input []byte) error
	// Save returns what stands in all tables of one family, as iptables-save
	// prints it.
	Save(ctx context.Context, family rules.Family) ([]byte, error)
	// Generation returns a number that is the next one after each transaction,
	// of whomever. It is not asked where Features.Legacy is set.
	Generation() (uint32, error)
	// Changes returns what tells of the next transaction.
	Changes() (io.ReadCloser, error)
}

// Features is what a machine's iptables can do.
type Features struct {
	// IPv6 says that there is ip6tables, and IPv6 in the kernel.
	IPv6 bool
	// RandomFully says that MASQUERADE can choose ports at random, which
	// spares connections that are made at the same instant a collision.
	RandomFully bool
	// Legacy says that each transaction replaces a whole table, so that few
	// large ones are better than many small ones.
	Legacy bool
}

// How many steps go into one transaction. iptables-nft-restore gets slower
// with the square of the chains in its input; the legacy backend carries the
// whole table to and fro each time.
const (
	nftChunk    = 200
	legacyChunk = 1 << 20
)

func (f Features) chunk() int {
	if f.Legacy {
		return legacyChunk
	}
	return nftChunk
}

// lockWait is for how many seconds a command waits for another that holds the
// lock of the legacy backend.
const lockWait = "5"

// commands is the real Kernel: the iptables commands of one backend.
type commands struct {
	// wrap stands before each command; tests run them in a network namespace.
	wrap []string
	// stem is "tables", "tables-nft" or "tables-legacy".
	stem string
	*machine.NFTables
}

var _ Kernel = commands{}

// newCommands returns the commands of a mode.
func newCommands(mode string) commands {
	if mode == "" || mode == ModeAuto {
		return commands{stem: "tables", NFTables: &machine.NFTables{}}
	}
	return commands{stem: "tables-" + mode, NFTables: &machine.NFTables{}}
}

// name returns a command's name: part is "", "-restore" or "-save".
func (c commands) name(family rules.Family, part string) string {
	if family == rules.IPv6 {
		return "ip6" + c.stem + part
	}
	return "ip" + c.stem + part
}

// Restore runs iptables-restore.
func (c commands) Restore(ctx context.Context, family rules.Family, input []byte) error {
	_, err := c.run(ctx, input, c.name(family, "-restore"), "--noflush", "-w", lockWait)
	return err
}

// Save runs iptables-save.
func (c commands) Save(ctx context.Context, family rules.Family) ([]byte, error) {
	return c.run(ctx, nil, c.name(family, "-save"))
}

func (c commands) run(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	args = append(append([]string{}, c.wrap...), args...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // iptables; no argument comes from the registry
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, newCommandError(strings.Join(args, " "), err, stderr.String(), input)
	}
	return stdout.Bytes(), nil
}

// probe returns what the machine's iptables can do, or why it can't be used.
// Without IPv6 it says why in the second place.
func (c commands) probe(ctx context.Context) (f Features, noIPv6, err error) {
	t, err := c.probeFamily(rules.IPv4)
	if err != nil {
		return f, nil, err
	}
	version, err := c.run(ctx, nil, c.name(rules.IPv4, ""), "--version")
	if err != nil {
		return f, nil, err
	}
	_, noIPv6 = c.probeFamily(rules.IPv6)
	if _, err := os.Stat("/proc/net/if_inet6"); errors.Is(err, fs.ErrNotExist) {
		noIPv6 = errors.New("the kernel has no IPv6")
	}
	f = Features{IPv6: noIPv6 == nil, RandomFully: t.HasRandomFully(), Legacy: !bytes.Contains(version, []byte("nf_tables"))}
	return f, noIPv6, nil
}

func (c commands) probeFamily(family rules.Family) (*iptables.IPTables, error) {
	for _, part := range []string{"-restore", "-save"} {
		if _, err := exec.LookPath(c.name(family, part)); err != nil {
			return nil, fmt.Errorf("iptables for %v: %w (on Debian: apt install iptables)", family, err)
		}
	}
	protocol := iptables.ProtocolIPv4
	if family == rules.IPv6 {
		protocol = iptables.ProtocolIPv6
	}
	t, err := iptables.New(iptables.IPFamily(protocol), iptables.Path(c.name(family, "")))
	if err != nil {
		return nil, fmt.Errorf("iptables for %v: %w", family, err)
	}
	return t, nil
}
