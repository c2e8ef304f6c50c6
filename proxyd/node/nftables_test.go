//go:build linux

package node

import (
	"io"
	"testing"
	"time"

	"github.com/svcreg/svcreg/test/lab"
)

// Every change makes another generation, whoever's rules it is about; looking
// makes none.
func TestGeneration(t *testing.T) {
	h := lab.New(t, "iptables-nft", "iptables-nft-save").Host("node")
	var tables NFTables
	generation := func() (g uint32) {
		t.Helper()
		var err error
		h.Do(func() { g, err = tables.Generation() })
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	before := generation()
	for _, command := range [][]string{
		{"iptables-nft", "-t", "nat", "-N", "THEIRS"}, {"iptables-nft", "-t", "nat", "-X", "THEIRS"}, {"ip6tables-nft", "-P", "FORWARD", "DROP"},
	} {
		if out, err := h.Command(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", command, err, out)
		}
		if after := generation(); after == before {
			t.Errorf("generation %d after %q as before", after, command)
		} else {
			before = after
		}
	}
	if out, err := h.Command(t.Context(), "iptables-nft-save").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if after := generation(); after != before {
		t.Errorf("generation %d after a look, %d before", after, before)
	}
}

// Who changes rules is told of, and who looks is not; however often somebody
// listens.
func TestChanges(t *testing.T) {
	h := lab.New(t, "iptables-nft", "iptables-nft-save").Host("node")
	run := func(argv ...string) {
		t.Helper()
		if out, err := h.Command(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
	}
	tables := &NFTables{}
	for _, chain := range []string{"FIRST", "SECOND"} {
		changes, told := listen(t, h, tables)
		run("iptables-nft-save")
		select {
		case err := <-told:
			t.Fatalf("told of a change where there was none: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		run("iptables-nft", "-t", "nat", "-N", chain)
		select {
		case err := <-told:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("not told of a change")
		}
		run("iptables-nft", "-t", "nat", "-E", chain, chain+"-NAMED") // more than anybody reads
		if err := changes.Close(); err != nil {
			t.Error(err)
		}
		run("iptables-nft", "-t", "nat", "-N", chain+"-UNHEARD")
	}
}

// Closing it ends the wait.
func TestChangesEnd(t *testing.T) {
	h := lab.New(t).Host("node")
	changes, told := listen(t, h, &NFTables{})
	time.AfterFunc(10*time.Millisecond, func() { _ = changes.Close() })
	select {
	case <-told:
	case <-time.After(30 * time.Second):
		t.Error("a wait goes on after Close")
	}
}

// listen waits for a change on a host, and tells when Read has returned.
func listen(t *testing.T, h *lab.Host, tables *NFTables) (changes io.ReadCloser, told <-chan error) {
	t.Helper()
	var err error
	h.Do(func() { changes, err = tables.Changes() })
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := changes.Read(make([]byte, 1))
		read <- err
	}()
	return changes, read
}
