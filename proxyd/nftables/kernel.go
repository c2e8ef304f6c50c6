package nftables

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// kernel is where rules go.
type kernel interface {
	// run carries out a file for nft(8), all of it or nothing.
	run(ctx context.Context, script string) error
	// read returns what stands of a family; glance leaves out the services'
	// elements, which are many.
	read(f rules.Family) (*standing, error)
	glance(f rules.Family) (*standing, error)
	// commit deletes elements and adds others in one transaction.
	commit(f rules.Family, gone, come []element) error
	// replace puts elements in place of all that stand, in one transaction.
	replace(f rules.Family, all []element) error
	// sign notes what stands in a table, so that changes by others are known.
	sign(f rules.Family, version uint32) error
	// generation returns a number that is the next one after each transaction,
	// of whomever.
	generation() (uint32, error)
}

// nftCommand is the program that chains are made with.
const nftCommand = "nft"

// chunk is how many elements go into one message; an attribute of netlink is
// 64 kB at most.
const chunk = 500

// real is the kernel of the network namespace that it is called in.
type real struct {
	socket *socket // nil until it is needed, and after an error
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

// ask has something done over the socket. Where that fails, rather than the kernel
// says no, answers may be left in it, so it isn't used any more.
func (k *real) ask(do func(*socket) error) (err error) {
	if k.socket == nil {
		if k.socket, err = dial(); err != nil {
			return err
		}
	}
	err = do(k.socket)
	if _, failed := errors.AsType[*os.SyscallError](err); failed {
		err = errors.Join(err, k.socket.file.Close())
		k.socket = nil
	}
	return err
}

func (k *real) generation() (g uint32, err error) {
	var r request
	r.close(r.message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, 0))
	err = k.ask(func(s *socket) error {
		return s.ask(r, func(a answer) {
			for kind, value := range a.attributes() {
				if kind == unix.NFTA_GEN_ID && len(value) == 4 {
					g = binary.BigEndian.Uint32(value)
				}
			}
		})
	})
	return g, err
}

func (k *real) commit(f rules.Family, gone, come []element) error {
	if len(gone)+len(come) == 0 {
		return nil
	}
	r := make(request, 0, 256+128*(len(gone)+len(come)))
	r.transaction(unix.NFNL_MSG_BATCH_BEGIN)
	r.bySet(unix.NFT_MSG_DELSETELEM, 0, f, gone)
	r.bySet(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, f, come)
	return k.transact(r)
}

// transact has the messages carried out that are in a transaction so far.
func (k *real) transact(r request) error {
	r.acknowledge()
	r.transaction(unix.NFNL_MSG_BATCH_END)
	return k.ask(func(s *socket) error { return s.ask(r, nil) })
}

// bySet adds messages about elements.
func (r *request) bySet(kind, flags uint16, f rules.Family, all []element) {
	for id, name := range setNames {
		r.elements(kind, flags, f, name, func(yield func(element) bool) {
			for _, e := range all {
				if e.set == setID(id) && !yield(e) {
					return
				}
			}
		})
	}
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
