package events

import (
	"container/list"
	"time"

	"github.com/svcreg/svcreg/registry"
)

const (
	// burst is how many events a speaker may tell at once, and refill how long
	// it takes until it may tell one more. These are client-go's.
	burst  = 25
	refill = 5 * time.Minute
)

// speaker is who tells of a service: each of them has a budget.
type speaker struct {
	component string
	service   registry.Key
}

// budget is how many events a speaker may tell.
type budget struct {
	speaker speaker
	left    int
	since   time.Time // when the next one began to be due
}

// budgets are those of the speakers that were heard last.
type budgets struct {
	all    map[speaker]*list.Element
	recent *list.List // of *budget, the latest used in front
}

func newBudgets() budgets { return budgets{map[speaker]*list.Element{}, list.New()} }

// spend takes one event from a speaker's budget, and reports whether there was
// one.
func (b *budgets) spend(s speaker, now time.Time) bool {
	place := b.all[s]
	if place == nil {
		if len(b.all) >= most {
			oldest := b.recent.Back()
			delete(b.all, b.recent.Remove(oldest).(*budget).speaker)
		}
		place = b.recent.PushFront(&budget{s, burst, now})
		b.all[s] = place
	}
	b.recent.MoveToFront(place)
	return place.Value.(*budget).spend(now)
}

func (b *budget) spend(now time.Time) bool {
	earned := int(now.Sub(b.since) / refill)
	b.since = b.since.Add(time.Duration(earned) * refill)
	if b.left = min(b.left+earned, burst); b.left == burst {
		b.since = now
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}
