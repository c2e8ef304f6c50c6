package svcreg

import (
	"context"
	"sync"
	"time"
)

// notifyInterval is how often a zone's secondaries are told of changes at most.
const notifyInterval = time.Second

// notifier tells the secondaries of a stanza's zones that there is something
// new to transfer (RFC 1996). A nil one does nothing.
type notifier struct {
	stanza *stanza
	// tell sends the messages for one zone, and waits for their answers.
	tell    func(zone string) error
	changed chan struct{} // has room for one
	running sync.WaitGroup
}

func newNotifier(s *stanza, tell func(zone string) error) *notifier {
	return &notifier{stanza: s, tell: tell, changed: make(chan struct{}, 1)}
}

// wake says that the zones may have changed. It never waits.
func (n *notifier) wake() {
	if n == nil {
		return
	}
	select {
	case n.changed <- struct{}{}:
	default: // it is known already
	}
}

// start tells the secondaries of changes until the context is done.
func (n *notifier) start(ctx context.Context) {
	if n != nil {
		n.running.Go(func() { n.run(ctx) })
	}
}

// wait waits for the end of what start began: the message that is on its way
// is not cut short.
func (n *notifier) wait() {
	if n != nil {
		n.running.Wait()
	}
}

// run sends the first messages after a moment, in which the server begins to
// listen: a secondary asks back at once.
func (n *notifier) run(ctx context.Context) {
	var told uint32
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(notifyInterval):
		}
		select {
		case <-ctx.Done():
			return
		case <-n.changed:
		}
		if serial := n.stanza.index.Load().origins[0].serial(); serial != told {
			told = serial
			n.tellAll(ctx)
		}
	}
}

func (n *notifier) tellAll(ctx context.Context) {
	for i := range n.stanza.zones.longest {
		if ctx.Err() != nil {
			return
		}
		if err := n.tell(n.stanza.zones.longest[i].name); err != nil {
			log.Warningf("%v", err)
		}
	}
}
