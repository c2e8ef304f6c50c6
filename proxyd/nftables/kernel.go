package nftables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// kernel is where rules go.
type kernel interface {
	// run carries out a file for nft(8), all of it or nothing.
	run(ctx context.Context, script string) error
	// read returns what stands of a family; glance leaves out the services'
	// elements, which are many.
	read(f Family) (*standing, error)
	glance(f Family) (*standing, error)
	// commit deletes elements and adds others in one transaction.
	commit(f Family, gone, come []element) error
	// sign notes what stands in a table, so that changes by others are known.
	sign(f Family, version uint32) error
	// generation returns a number that is the next one after each transaction,
	// of whomever.
	generation() (uint32, error)
}

// nftCommand is the program that chains are made with.
const nftCommand = "nft"

const (
	// chunk is how many elements go into one message; an attribute of netlink
	// is 64 kB at most.
	chunk = 500
	// sendBuffer has room for a transaction of maxElements, receiveBuffer for
	// the answers to it.
	sendBuffer, receiveBuffer = 16 << 20, 4 << 20
)

// real is the kernel of the network namespace that it is called in.
type real struct {
	conn *nftables.Conn // nil until it is needed, and after an error
}

var _ kernel = &real{}

// CommandError says that nft(8) failed.
type CommandError struct {
	// Stderr is the first line of what it complained about.
	Stderr string
	Err    error
}

// Error says what nft said.
func (e *CommandError) Error() string {
	return strings.TrimSuffix(nftCommand+": "+e.Err.Error()+": "+e.Stderr, ": ")
}

// Unwrap returns the error of running the command.
func (e *CommandError) Unwrap() error { return e.Err }

func (*real) run(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, nftCommand, "-f", "-")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(script), &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return &CommandError{line, err}
	}
	return nil
}

// dial returns the connection that transactions go over.
func (k *real) dial() (*nftables.Conn, error) {
	if k.conn != nil {
		return k.conn, nil
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(buffers))
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", err)
	}
	k.conn = conn
	return conn, nil
}

// buffers makes room in a socket, beyond the limits for everybody.
func buffers(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer))
	})
	return errors.Join(err, failed)
}

func (k *real) commit(f Family, gone, come []element) error {
	conn, err := k.dial()
	if err != nil {
		return err
	}
	err = errors.Join(
		queue(f, gone, conn.SetDeleteElements),
		queue(f, come, conn.SetAddElements))
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		// Answers may be left in the socket.
		k.conn = nil
		err = errors.Join(err, conn.CloseLasting())
	}
	return err
}

// queue adds messages with elements to a transaction.
func queue(f Family, elements []element, add func(*nftables.Set, []nftables.SetElement) error) error {
	var bySet [numSets][]nftables.SetElement
	for _, e := range elements {
		bySet[e.set] = append(bySet[e.set], nftables.SetElement{Key: []byte(e.key), KeyEnd: []byte(e.end), Val: []byte(e.value)})
	}
	for id, all := range bySet {
		for len(all) > 0 {
			n := min(chunk, len(all))
			if err := add(f.set(setNames[id]), all[:n]); err != nil {
				return err
			}
			all = all[n:]
		}
	}
	return nil
}

// set returns what names a set of ours to netlink.
func (f Family) set(name string) *nftables.Set {
	return &nftables.Set{Table: &nftables.Table{Name: tableName, Family: f.netlink()}, Name: name}
}

// isTemporary reports whether what failed may succeed when it is tried again:
// buffers were full, or somebody else changed the tables at the same time.
func isTemporary(err error) bool {
	for _, e := range []error{
		syscall.ENOBUFS, syscall.EAGAIN, syscall.EBUSY, syscall.EINTR, syscall.ENOMEM, syscall.ENOENT, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isRefusal reports whether the kernel turned elements down, so that parts of
// them may still pass.
func isRefusal(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && !isTemporary(err) && errno != syscall.EPERM && errno != syscall.EACCES
}
