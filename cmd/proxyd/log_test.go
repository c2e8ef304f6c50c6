package main

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/proxyd"
)

// writes remembers each write.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), nil
}

func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.all = nil }()
	return slices.Clone(w.all)
}

// A line after a pause is written at once, those that follow soon together.
func TestBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to writes
		b := &bursts{to: &to}
		say := func(lines ...string) {
			t.Helper()
			for _, line := range lines {
				if n, err := b.Write([]byte(line)); n != len(line) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
		}
		want := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, to.take()); diff != "" {
				t.Errorf("%s: writes (-want +got):\n%s", when, diff)
			}
		}
		for range 2 {
			say("one\n", "two\n", "three\n")
			want("at once", "one\n")
			time.Sleep(burstPause)
			want("after the pause", "two\nthree\n")
			say("four\n")
			want("in the next pause")
			time.Sleep(burstPause)
			want("after that", "four\n")
			time.Sleep(burstPause)
			want("after a pause without lines")
		}
		say("one\n", "two\n")
		b.Flush()
		want("at the end", "one\n", "two\n")
		time.Sleep(2 * burstPause)
		want("after the end")
		line := strings.Repeat("x", burstSize/4)
		say("first\n", line, line, line, line, line)
		want("a long burst", "first\n", strings.Repeat(line, 4))
		time.Sleep(2 * burstPause)
	})
}

// What proxyd says last is there when it has ended.
func TestLogIsWholeAtTheEnd(t *testing.T) {
	var errs bytes.Buffer
	o := &options{config: proxyd.DefaultConfig(), errOut: &errs}
	cmd := &cobra.Command{}
	o.addFlags(cmd)
	err := o.with(cmd, func(c proxyd.Config) error {
		for range 3 {
			c.Logger.Info("bye")
		}
		return nil
	})
	if n := strings.Count(errs.String(), "bye"); n != 3 || err != nil {
		t.Errorf("%d of 3 lines, %v", n, err)
	}
}
