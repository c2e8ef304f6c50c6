package apiview

import (
	"context"
	"sync"
	"time"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry/watch"
)

// session is a View that is awake.
type session struct {
	server  *apiserver.Server
	watcher *watch.Watcher
}

func (v *View) newSession() (*session, error) {
	server := apiserver.New(v.config.Server)
	watcher, err := watch.New(watch.Config{
		Client: v.config.Client, Layout: v.config.Layout, Notify: server.Notify,
		Logger: v.config.Logger.With("for", "the API"),
	})
	return &session{server, watcher}, err
}

// run follows the registry until ctx ends or doze, which is asked now and
// then, says that it is time.
func (s *session) run(ctx context.Context, doze func() bool, period time.Duration) {
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { _ = s.watcher.Run(ctx) }) // which fails only where it runs twice
	defer following.Wait()
	defer stop()
	look := time.NewTicker(period)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if doze() {
				return
			}
		}
	}
}

// current returns the session, or nil while there is none.
func (v *View) current() *session {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.session
}

// user is a request under way.
type user struct{ end context.CancelCauseFunc }

// use wakes the View, if need be, and keeps it awake until done is called. The
// context ends when the View does.
func (v *View) use(ctx context.Context) (_ *session, _ context.Context, done func(), _ error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended {
		return nil, nil, nil, errEnded
	}
	if v.session == nil {
		s, err := v.newSession()
		if err != nil {
			return nil, nil, nil, err
		}
		v.session = s
		v.wake <- struct{}{}
	}
	ctx, end := context.WithCancelCause(ctx)
	u := &user{end}
	v.users[u] = struct{}{}
	return v.session, ctx, func() {
		end(nil)
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.users, u)
		v.last = time.Now()
	}, nil
}

// doze ends the session if nobody has needed it for a while, and reports
// whether it did. While etcd is away it doesn't: what was forgotten then could
// not be known again.
func (v *View) doze() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.session.watcher
	if len(v.users) > 0 || time.Since(v.last) < v.config.Idle || w.Snapshot() != nil && !w.Status().Synced {
		return false
	}
	v.session = nil
	return true
}

// end ends what is under way, and lets nothing begin.
func (v *View) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ended, v.session = true, nil
	for u := range v.users {
		u.end(errEnded)
	}
}
