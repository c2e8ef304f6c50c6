//go:build linux

package node

import (
	"io"
	"testing"
	"time"

	"github.com/svcreg/svcreg/test/lab"
)

// Who changes rules is told of, and who looks is not.
func TestChanges(t *testing.T) {
	h := lab.New(t, "iptables-nft", "iptables-nft-save").Host("node")
	var changes io.ReadCloser
	var err error
	h.Do(func() { changes, err = Changes() })
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() {
		_, err := changes.Read(make([]byte, 1))
		told <- err
	}()
	run := func(argv ...string) {
		t.Helper()
		if out, err := h.Command(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
	}
	run("iptables-nft-save")
	select {
	case err := <-told:
		t.Fatalf("told of a change where there was none: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	run("iptables-nft", "-t", "nat", "-N", "THEIRS")
	select {
	case err := <-told:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("not told of a change")
	}
	if err := changes.Close(); err != nil {
		t.Error(err)
	}
}

// Closing it ends the wait.
func TestChangesEnd(t *testing.T) {
	h := lab.New(t).Host("node")
	var changes io.ReadCloser
	var err error
	h.Do(func() { changes, err = Changes() })
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() {
		_, err := changes.Read(make([]byte, 1))
		told <- err
	}()
	time.AfterFunc(10*time.Millisecond, func() { _ = changes.Close() })
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Error("a wait goes on after Close")
	}
}
