package node

import (
	"errors"
	"testing"
)

func TestLedger(t *testing.T) {
	now, failure := uint32(0xfffffffe), error(nil)
	commit := func() {
		if now++; now == 0 {
			now++
		}
	}
	var l Ledger
	begin := func() { l.Begin(now, failure) }
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"before the start", func() {}, false},
		{"from the start", begin, true},
		{"ours, past 0", func() { commit(); commit(); l.Made(2) }, true},
		{"somebody else's", commit, false},
		{"and ours", func() { commit(); l.Made(1) }, false},
		{"begun again", begin, true},
		{"somebody else's before ours", func() { commit(); commit(); l.Made(1) }, false},
		{"begun anew", begin, true},
		{"ours without effect", func() { l.Made(1) }, false},
		{"which is noticed, then somebody else's", func() { l.Check(now, nil); commit() }, false},
		{"begun after that", begin, true},
		{"looked at", func() { l.Check(now, nil) }, true},
		{"ours, perhaps", l.Lose, false},
		{"begun where nobody can tell", func() { failure = errors.New("no"); begin(); failure = nil }, false},
		{"begun where one can tell", begin, true},
		{"can't tell now", func() { failure = errors.New("no") }, false},
	} {
		step.do()
		if got := l.Untouched(now, failure); got != step.want {
			t.Errorf("%s: untouched %v, want %v", step.name, got, step.want)
		}
	}
}
