package rules

import (
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// contest says of things that several services may want who has each of them:
// whoever comes first. It is immutable but for its methods, which leave alone
// the one it was copied from.
type contest[K comparable, W wish[W]] struct {
	holders registry.Map[K, W]
	// rivals are who else wants what has a holder, in order.
	rivals registry.Map[K, []W]
}

// wish is what a service wants.
type wish[W any] interface {
	comparable
	// before reports whether this wish comes before another.
	before(other W) bool
}

// edit lets the methods change the contest in place, until done.
func (c *contest[K, W]) edit() { c.holders, c.rivals = c.holders.Edit(), c.rivals.Edit() }

func (c *contest[K, W]) done() { c.holders, c.rivals = c.holders.Done(), c.rivals.Done() }

// add has a wish stand in line for a thing.
func (c *contest[K, W]) add(k K, w W) {
	holder, held := c.holders.Get(k)
	if held && holder.before(w) {
		holder, w = w, holder
	}
	c.holders = c.holders.With(k, w)
	if held {
		rivals, _ := c.rivals.Get(k)
		c.rivals = c.rivals.With(k, with(rivals, holder))
	}
}

// remove takes a wish out of the line; whoever comes next gets the thing.
func (c *contest[K, W]) remove(k K, w W) {
	rivals, contested := c.rivals.Get(k)
	if !contested {
		c.holders = c.holders.Without(k)
		return
	}
	if holder, _ := c.holders.Get(k); holder == w {
		c.holders = c.holders.With(k, rivals[0])
		rivals = rivals[1:]
	} else {
		rivals = without(rivals, w)
	}
	if len(rivals) > 0 {
		c.rivals = c.rivals.With(k, rivals)
	} else {
		c.rivals = c.rivals.Without(k)
	}
}

// with returns a copy of wishes that has one more, in order.
func with[W wish[W]](wishes []W, w W) []W {
	i := 0
	for i < len(wishes) && wishes[i].before(w) {
		i++
	}
	return slices.Insert(slices.Clone(wishes), i, w)
}

// without returns a copy of wishes that lacks one.
func without[W wish[W]](wishes []W, w W) []W {
	return slices.DeleteFunc(slices.Clone(wishes), func(have W) bool { return have == w })
}
