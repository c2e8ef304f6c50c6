package events

import (
	"container/list"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcreg/svcreg/registry"
)

const (
	// most is how many events are remembered, and of how many services it is
	// known how often they were spoken of.
	most = 2048
	// batch is how many events are written in one transaction: etcd allows 128
	// operations.
	batch = 64
	// longest is how many bytes a message has at most, as upstream.
	longest = 1024
)

// Why an event is dropped.
const (
	tooOften = "rate"
	noRoom   = "room"
	foreign  = "foreign"
)

// matter is what an event is about. Events of the same matter are one object.
type matter struct {
	component       string
	service         registry.Key
	warning         bool
	reason, message string
}

// subject is a service as etcd has it.
type subject struct {
	uid      string
	revision int64
}

// record is a matter, and how often it was told.
type record struct {
	matter
	name        string // of the object; it is made when the first is written
	uid         types.UID
	about       string // the service's uid
	first, last time.Time
	count       int32
	waiting     bool // for being written
	place       *list.Element
}

// entry is an event that is to be written.
type entry struct {
	*corev1.Event
	record *record
}

// book is what is known of events. It is no more than memory: the caller locks
// it.
type book struct {
	node    string
	records map[matter]*record
	recent  *list.List // of records, the latest told in front
	waiting []*record  // for being written, the oldest first
	budgets budgets
	stamp   int64 // the last number in a name
}

func newBook(node string) *book {
	return &book{node: node, records: map[matter]*record{}, recent: list.New(), budgets: newBudgets()}
}

// add takes an event in, or returns why not.
func (b *book) add(m matter, now time.Time) (dropped string) {
	if !b.budgets.spend(speaker{m.component, m.service}, now) {
		return tooOften
	}
	r := b.records[m]
	if r == nil {
		if len(b.records) >= most && !b.evict() {
			return noRoom
		}
		r = &record{matter: m}
		r.place = b.recent.PushFront(r)
		b.records[m] = r
	}
	b.recent.MoveToFront(r.place)
	if now.Sub(r.last) > TTL { // the object is gone, or was never there
		b.renew(r, now)
	}
	r.count++
	r.last = now
	b.wait(r)
	return ""
}

// renew has the next write of a record be an object of its own.
func (b *book) renew(r *record, now time.Time) {
	b.stamp = max(b.stamp+1, now.UnixNano())
	r.name = r.service.Name + "." + strconv.FormatInt(b.stamp, 16)
	r.uid, r.about, r.first, r.count = uuid.NewUUID(), "", now, 0
}

func (b *book) wait(r *record) {
	if !r.waiting {
		r.waiting = true
		b.waiting = append(b.waiting, r)
	}
}

// evict forgets the event that was told the longest time ago, unless it has
// still to be written.
func (b *book) evict() bool {
	oldest := b.recent.Back()
	r := oldest.Value.(*record)
	if r.waiting {
		return false
	}
	b.recent.Remove(oldest)
	delete(b.records, r.matter)
	return true
}

// next returns the events that are to be written next.
func (b *book) next() []*record { return slices.Clone(b.waiting[:min(batch, len(b.waiting))]) }

// entries returns what is to be written of some events, about services as they
// are now. A service with another uid is another one, so what is told of it is
// another event.
func (b *book) entries(records []*record, now map[registry.Key]subject) []entry {
	var all []entry
	for _, r := range records {
		of, there := now[r.service]
		if !there { // the event is about the one that was
			of.uid = r.about
		}
		if r.about != "" && of.uid != r.about {
			b.renew(r, r.last)
			r.count = 1
		}
		r.about = of.uid
		all = append(all, entry{r.event(b.node, of), r})
	}
	return all
}

// stored notes what was written, and reports whether more waits.
func (b *book) stored(batch []entry) bool {
	b.waiting = slices.Delete(b.waiting, 0, len(batch))
	for _, e := range batch {
		e.record.waiting = false
		if e.record.count != e.Count || e.record.name != e.Name {
			b.wait(e.record)
		}
	}
	return len(b.waiting) > 0
}

// discard forgets what waits for being written, and returns how much that was.
func (b *book) discard() int {
	n := len(b.waiting)
	for _, r := range b.waiting {
		b.recent.Remove(r.place)
		delete(b.records, r.matter)
	}
	b.waiting = nil
	return n
}

// event returns the object that tells of a record.
func (r *record) event(node string, of subject) *corev1.Event {
	e := &corev1.Event{
		TypeMeta:   metav1.TypeMeta{Kind: "Event", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: r.service.Namespace, Name: r.name, UID: r.uid, CreationTimestamp: metav1.Time{Time: r.first}},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Service", APIVersion: "v1", Namespace: r.service.Namespace, Name: r.service.Name, UID: types.UID(of.uid),
		},
		Reason: r.reason, Message: r.message, Type: corev1.EventTypeNormal,
		Source:         corev1.EventSource{Component: r.component, Host: node},
		FirstTimestamp: metav1.Time{Time: r.first}, LastTimestamp: metav1.Time{Time: r.last}, Count: r.count,
		ReportingController: r.component, ReportingInstance: node,
	}
	if r.warning {
		e.Type = corev1.EventTypeWarning
	}
	if of.revision > 0 {
		e.InvolvedObject.ResourceVersion = strconv.FormatInt(of.revision, 10)
	}
	return e
}

// shorten cuts a message where it is too long.
func shorten(message string) string {
	const more = "…"
	if len(message) > longest {
		message = strings.ToValidUTF8(message[:longest-len(more)], "") + more
	}
	return message
}
