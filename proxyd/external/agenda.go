package external

import (
	"container/heap"
	"time"
)

// entry is something to be done at some time.
type entry struct {
	due  time.Time
	do   func()
	slot int // where it stands in the agenda; -1 for nowhere
}

// agenda is what is to be done when, the earliest first.
type agenda []*entry

// at adds something to be done.
func (a *agenda) at(due time.Time, do func()) *entry {
	e := &entry{due: due, do: do}
	heap.Push(a, e)
	return e
}

// cancel takes an entry out, if it is in; it may be nil.
func (a *agenda) cancel(e *entry) {
	if e != nil && e.slot >= 0 {
		heap.Remove(a, e.slot)
	}
}

// work does all that is due.
func (a *agenda) work(now time.Time) {
	for len(*a) > 0 && !(*a)[0].due.After(now) {
		heap.Pop(a).(*entry).do()
	}
}

// wait returns how long it is until the next entry is due.
func (a *agenda) wait(now time.Time) time.Duration {
	if len(*a) == 0 {
		return time.Hour
	}
	return max(0, (*a)[0].due.Sub(now))
}

// Len, Less, Swap, Push and Pop are for package heap.
func (a *agenda) Len() int           { return len(*a) }
func (a *agenda) Less(i, j int) bool { return (*a)[i].due.Before((*a)[j].due) }

// Swap exchanges two entries.
func (a *agenda) Swap(i, j int) {
	s := *a
	s[i], s[j] = s[j], s[i]
	s[i].slot, s[j].slot = i, j
}

// Push appends an entry.
func (a *agenda) Push(e any) {
	e.(*entry).slot = len(*a)
	*a = append(*a, e.(*entry))
}

// Pop removes the last entry.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last], *a, e.slot = nil, (*a)[:last], -1
	return e
}
