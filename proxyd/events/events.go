// Package events tells people what the controllers see, as Kubernetes does it:
// by Event objects about services, in the registry itself, where kubectl get
// events, kubectl describe and svcctl describe find them.
//
// What happens again is counted in the object that speaks of it already, if the
// service, the controller, the reason and the message are the same. Objects
// stand at events/NAMESPACE/SERVICE.NUMBER below the registry's prefix, under
// leases: an hour after an event happened last it is gone. Many events share a
// lease.
//
// Nobody waits for a Recorder, and nothing fails because of one. It holds what
// etcd doesn't have yet, up to a number; a controller that has much to say about
// one service is heard 25 times at once and then every five minutes. What is
// dropped is counted. In a registry that an apiserver owns nothing is written:
// its events are its own.
//
// A user of etcd by whom events are written needs the permission to read and
// write what begins with /registry/events/.
package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/pause"
	"github.com/svcreg/svcreg/registry/write"
)

// TTL is how long an event lasts after it happened last; apiservers have the
// same default.
const TTL = time.Hour

const (
	// settle is how long events are collected before they are written.
	settle = 100 * time.Millisecond
	// leastPause and mostPause bound the pauses after what failed.
	leastPause, mostPause = 200 * time.Millisecond, 30 * time.Second
	// foreignPause is how long a registry of an apiserver is left alone.
	foreignPause = time.Minute
	// callTimeout bounds a write, and farewell the last one.
	callTimeout, farewell = 5 * time.Second, time.Second
)

// Config says where events are written, and who does.
type Config struct {
	// Client reaches etcd. The caller closes it, after Run has returned.
	Client *clientv3.Client
	Layout codec.Layout
	// Node is the name of this node.
	Node string
	// Logger is told what keeps events from being written; nil means
	// slog.Default.
	Logger *slog.Logger
	// Registerer, if not nil, gets the metrics proxyd_events_….
	Registerer prometheus.Registerer
}

// Recorder takes events, and writes them while Run runs.
type Recorder struct {
	logger  *slog.Logger
	keeper  keeper
	metrics *metrics
	config  *Config
	wake    chan struct{}

	mu   sync.Mutex
	book *book
}

// keeper is where events are kept.
type keeper interface {
	// look returns what services are now; those that don't exist are left out.
	// It is a ForeignError if nothing may be written.
	look(ctx context.Context, services []registry.Key) (map[registry.Key]subject, error)
	// put writes some events.
	put(ctx context.Context, events []entry) error
}

// New returns a Recorder that has nothing to write yet.
func New(c Config) (*Recorder, error) {
	switch {
	case c.Client == nil:
		return nil, errors.New("events: Client is missing")
	case c.Layout == (codec.Layout{}):
		return nil, errors.New("events: Layout is missing")
	case c.Node == "":
		return nil, errors.New("events: Node is missing")
	}
	return newRecorder(&c, newStore(&c)), nil
}

func newRecorder(c *Config, k keeper) *Recorder {
	return &Recorder{
		logger: cmp.Or(c.Logger, slog.Default()), keeper: k, metrics: newMetrics(), config: c,
		wake: make(chan struct{}, 1), book: newBook(c.Node),
	}
}

// Source tells of events in the name of one controller. A nil Source tells
// nobody.
type Source struct {
	recorder  *Recorder
	component string
}

// Source returns what a controller tells its events, as NAME.svcreg.io.
func (r *Recorder) Source(name string) *Source { return &Source{r, name + ".svcreg.io"} }

// Normal tells of something that is as it should be.
func (s *Source) Normal(service registry.Key, reason, message string) {
	s.tell(service, false, reason, message)
}

// Warning tells of something that somebody should look at.
func (s *Source) Warning(service registry.Key, reason, message string) {
	s.tell(service, true, reason, message)
}

func (s *Source) tell(service registry.Key, warning bool, reason, message string) {
	if s != nil {
		s.recorder.record(matter{s.component, service, warning, reason, shorten(message)})
	}
}

// record takes an event. It waits for nothing but a moment's lock.
func (r *Recorder) record(m matter) {
	r.mu.Lock()
	why := r.book.add(m, time.Now())
	r.mu.Unlock()
	if why != "" {
		r.metrics.dropped.WithLabelValues(why).Inc()
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes events until ctx ends, and then what is left, if etcd answers
// soon. It fails only where its metrics are there already.
func (r *Recorder) Run(ctx context.Context) error {
	if r.config.Registerer != nil {
		if err := r.config.Registerer.Register(r.metrics); err != nil {
			return fmt.Errorf("events: %w", err)
		}
		defer r.config.Registerer.Unregister(r.metrics)
	}
	failing := pause.Growing{Least: leastPause, Most: mostPause}
	said := ""
	for {
		select {
		case <-ctx.Done():
			r.last(ctx)
			return nil
		case <-r.wake:
		}
		wait := settle
		for pause.Sleep(ctx, wait) {
			more, err := r.flush(ctx, callTimeout)
			if wait = r.after(ctx, err, &failing, &said); !more {
				break
			}
		}
	}
}

// last writes what is left at the end.
func (r *Recorder) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	for more := true; more; {
		var err error
		if more, err = r.flush(ctx, farewell); err != nil {
			return
		}
	}
}

// after returns how long to wait after an attempt. What is wrong is said once.
func (r *Recorder) after(ctx context.Context, err error, failing *pause.Growing, said *string) time.Duration {
	if err == nil {
		*said = ""
		failing.Reset()
		return settle
	}
	if ctx.Err() == nil && *said != err.Error() {
		*said = err.Error()
		r.logger.Warn("events are not written", "error", err)
	}
	if write.IsForeign(err) {
		return foreignPause
	}
	return failing.Next()
}

// flush writes some of the events that wait, and reports whether more do.
func (r *Recorder) flush(ctx context.Context, timeout time.Duration) (more bool, err error) {
	r.mu.Lock()
	records := r.book.next()
	r.mu.Unlock()
	if len(records) == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	batch, err := r.write(ctx, records)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case write.IsForeign(err):
		r.metrics.dropped.WithLabelValues(foreign).Add(float64(r.book.discard()))
		return true, err
	case err != nil:
		r.metrics.failures.Inc()
		return true, err
	}
	r.metrics.written.Add(float64(len(batch)))
	return r.book.stored(batch), nil
}

// write writes some events.
func (r *Recorder) write(ctx context.Context, records []*record) ([]entry, error) {
	var services []registry.Key
	for _, one := range records {
		if !slices.Contains(services, one.service) {
			services = append(services, one.service)
		}
	}
	now, err := r.keeper.look(ctx, services)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	batch := r.book.entries(records, now)
	r.mu.Unlock()
	return batch, r.keeper.put(ctx, batch)
}
