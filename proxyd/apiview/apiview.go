// Package apiview is the registry as the API of proxyd needs it: whole. The
// data plane keeps only what its rules are made from, which takes a fraction of
// the memory.
//
// So a View follows the registry a second time, but only while somebody asks
// for what the data plane doesn't know: it wakes with the first request, and
// falls asleep, and forgets, when none has come for a while. What the data plane
// knows is enough for the proxy path to most services, which needs no second
// look and goes on while etcd is away.
package apiview

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/apiproxy"
	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/proxyd/apistatus"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// What holds where a Config doesn't say otherwise.
const (
	DefaultIdle     = 5 * time.Minute
	DefaultPatience = 5 * time.Second
)

// writeTimeout is how long etcd may take for a write.
const writeTimeout = 10 * time.Second

// Config says what a View is of.
type Config struct {
	Client *clientv3.Client
	Layout codec.Layout
	// Near is what the data plane knows, nil as long as that is nothing: all
	// services, and their endpoints as rules.Trim leaves them.
	Near func() *registry.Snapshot
	// Idle is after how long without a request the View falls asleep; zero
	// means DefaultIdle.
	Idle time.Duration
	// Patience is how long a request waits for a View that wakes; zero means
	// DefaultPatience.
	Patience time.Duration
	// Server is what the API server is told; its Patience is that above.
	Server apiserver.Config
	// Logger gets what an operator must know; nil means slog.Default.
	Logger *slog.Logger
}

// View serves the registry over HTTP, and tells the proxy path where to go.
type View struct {
	config Config
	plain  plain
	wake   chan struct{} // has room for one: there is a session to run

	mu      sync.Mutex
	session *session           // nil while asleep
	users   map[*user]struct{} // requests under way
	last    time.Time          // when the last one ended
	ended   bool
}

var (
	_ http.Handler    = (*View)(nil)
	_ apiproxy.Source = (*View)(nil)
)

var (
	errUnknown = errors.New("the registry is not known yet: etcd has not answered")
	errEnded   = errors.New("proxyd is stopping")
)

// New returns a View that is asleep. Run wakes it.
func New(c Config) *View {
	c.Idle = cmp.Or(c.Idle, DefaultIdle)
	c.Patience = cmp.Or(c.Patience, DefaultPatience)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Server.Patience, c.Server.Logger = c.Patience, c.Logger
	return &View{config: c, wake: make(chan struct{}, 1), users: map[*user]struct{}{}}
}

// Awake reports whether the registry is being followed.
func (v *View) Awake() bool { return v.current() != nil }

// ServeHTTP serves the registry as package apiserver does. A View that isn't
// awake wakes, and the request waits for that; if it takes too long the answer
// is a 503.
func (v *View) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s, ctx, done, err := v.use(q.Context())
	if err != nil {
		apistatus.Write(w, apistatus.Unavailable("%v", err).Status())
		return
	}
	defer done()
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, writeTimeout)
		defer cancel()
	}
	s.server.ServeHTTP(w, q.WithContext(ctx))
}

// Snapshot implements apiproxy.Source. It wakes the View only for what the data
// plane doesn't know.
func (v *View) Snapshot(ctx context.Context, to registry.Ref) (*registry.Snapshot, error) {
	near := v.config.Near()
	if v.plain.enough(near, to) {
		if s := v.current(); s != nil { // who writes and then asks finds what was written
			near = cmp.Or(s.watcher.Snapshot(), near)
		}
		return near, nil
	}
	s, ctx, done, err := v.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	patience := time.NewTimer(v.config.Patience)
	defer patience.Stop()
	select {
	case <-s.watcher.Ready():
		return s.watcher.Snapshot(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-patience.C:
		return nil, errUnknown
	}
}

// Run follows the registry while there are requests, until ctx ends. The
// requests that are under way end then, too.
func (v *View) Run(ctx context.Context) error {
	defer v.end()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.wake:
		}
		v.current().run(ctx, v.doze, v.config.Idle/8)
		if ctx.Err() == nil {
			debug.FreeOSMemory() // a whole registry has just become garbage
		}
	}
}
