package loadbalancer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// hooks calls the hook for services: for each of them one call at a time, and
// a few in all. All but the calls themselves is the controller's goroutine's.
type hooks struct {
	config  *Config
	metrics *metrics
	logger  *slog.Logger
	results chan result
	slots   chan struct{}
	running sync.WaitGroup

	told  map[registry.Key]*told
	busy  map[registry.Key]bool
	wrong map[registry.Key]string // why the last call failed
	retry retries
}

// told is what the hook was told of a service, and what it said. It stands in
// etcd from before the first call until the hook was told to remove it.
type told struct {
	// Digest is that of what the hook was told; empty while it is being told.
	Digest string `json:"digest,omitempty"`
	// Addresses are what it printed.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Service is what it was told last, and will be told when the service goes.
	Service json.RawMessage `json:"service"`
}

// result is how a call ended.
type result struct {
	service registry.Key
	action  action
	told    *told // what the hook knows now; nil for nothing
	err     error
}

// atOnce is how many calls are made at the same time.
const atOnce = 4

func newHooks(config *Config, m *metrics) *hooks {
	return &hooks{
		config: config, metrics: m, logger: config.Logger,
		results: make(chan result), slots: make(chan struct{}, atOnce),
		told: map[registry.Key]*told{}, busy: map[registry.Key]bool{}, wrong: map[registry.Key]string{}, retry: newRetries(),
	}
}

func (h *hooks) dir() string { return h.config.Layout.Prefix() + "/svcreg/hooked/" }

// load reads what the hook was told before this node led.
func (h *hooks) load(ctx context.Context) error {
	response, err := h.config.Client.Get(ctx, h.dir(), clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("read %s: %w", h.dir(), err)
	}
	for _, kv := range response.Kvs {
		ns, name, ok := strings.Cut(strings.TrimPrefix(string(kv.Key), h.dir()), "/")
		t := &told{}
		if err := json.Unmarshal(kv.Value, t); err != nil || !ok {
			h.logger.Error("what a hook was told can't be read", "key", string(kv.Key), "error", err)
			continue
		}
		h.told[registry.Key{Namespace: ns, Name: name}] = t
	}
	return nil
}

// knows reports whether the hook was told of a service.
func (h *hooks) knows(k registry.Key) bool { return h != nil && (h.told[k] != nil || h.busy[k]) }

// known yields the services that the hook was told of.
func (h *hooks) known() iter.Seq[registry.Key] {
	if h == nil {
		return func(func(registry.Key) bool) {}
	}
	return maps.Keys(h.told)
}

// ask returns what the hook says about a service, whose document is nil where
// there is none, and has it told what it doesn't know yet.
func (h *hooks) ask(ctx context.Context, k registry.Key, d *codec.Document) (given, error) {
	if h == nil {
		return given{}, nil
	}
	w, err := newWish(d)
	if err != nil {
		return given{}, err
	}
	if !w.mine {
		return h.gone(ctx, k), nil
	}
	have := h.told[k]
	var printed []netip.Addr
	if have != nil {
		printed = have.Addresses
	}
	next, err := h.telling(w.service, printed)
	if err != nil {
		return given{}, err
	}
	if have == nil || have.Digest != next.Digest {
		h.start(ctx, add, k, next)
	}
	g := given{addrs: printed, problem: h.wrong[k]}
	g.waiting = have == nil || have.Digest == ""
	return g, nil
}

// gone has the hook told that a service is gone, and returns whether that is
// still to be done.
func (h *hooks) gone(ctx context.Context, k registry.Key) given {
	if t := h.told[k]; t != nil {
		if !h.busy[k] {
			t = &told{Addresses: t.Addresses, Service: t.Service} // if it comes back, it is to be told again
			h.told[k] = t
		}
		h.start(ctx, remove, k, t)
	}
	return given{busy: h.knows(k), problem: h.wrong[k]}
}

// telling returns what the hook is to be told of a service. The addresses that
// it printed itself are no news to it.
func (h *hooks) telling(s *registry.Service, printed []netip.Addr) (*told, error) {
	text, err := codec.Encode(s)
	if err != nil {
		return nil, err
	}
	bare := *s
	own := func(a netip.Addr) bool { return slices.Contains(printed, a) }
	bare.PublicIPs = slices.DeleteFunc(slices.Clone(s.PublicIPs), own)
	bare.LoadBalancerIPs = slices.DeleteFunc(slices.Clone(s.LoadBalancerIPs), own)
	plain, err := codec.Encode(&bare)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append([]byte(h.config.Hook+"\n"), plain...))
	return &told{Digest: hex.EncodeToString(sum[:]), Service: text}, nil
}

// start makes a call, unless one is made for the service, or it is not yet time
// to try again.
func (h *hooks) start(ctx context.Context, a action, k registry.Key, t *told) {
	if h.busy[k] || h.retry.waits(k, time.Now()) {
		return
	}
	h.busy[k] = true
	old := h.told[k]
	h.running.Go(func() {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		case <-ctx.Done():
			return
		}
		r := result{service: k, action: a}
		if a == add {
			r.told, r.err = h.add(ctx, k, old, t)
		} else {
			r.err = h.remove(ctx, k, t)
		}
		send(ctx, h.results, r)
	})
}

// add tells the hook of a service. That it is told is written down before.
func (h *hooks) add(ctx context.Context, k registry.Key, old, t *told) (*told, error) {
	if old == nil {
		if err := h.put(ctx, k, &told{Service: t.Service}); err != nil {
			return nil, err
		}
	}
	addrs, err := call(ctx, h.config.Hook, h.config.HookTimeout, add, k, t.Service)
	if err != nil {
		return &told{Service: t.Service}, err
	}
	next := &told{Digest: t.Digest, Addresses: addrs, Service: t.Service}
	return next, h.put(ctx, k, next)
}

// remove tells the hook that a service is gone. That it is no longer as it was
// told is written down before.
func (h *hooks) remove(ctx context.Context, k registry.Key, t *told) error {
	if err := h.put(ctx, k, t); err != nil {
		return err
	}
	if _, err := call(ctx, h.config.Hook, h.config.HookTimeout, remove, k, t.Service); err != nil {
		return err
	}
	if _, err := h.config.Client.Delete(ctx, h.dir()+k.String()); err != nil {
		return fmt.Errorf("delete %s: %w", h.dir()+k.String(), err)
	}
	return nil
}

func (h *hooks) put(ctx context.Context, k registry.Key, t *told) error {
	value, err := json.Marshal(t)
	if err == nil {
		_, err = h.config.Client.Put(ctx, h.dir()+k.String(), string(value))
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", h.dir()+k.String(), err)
	}
	return nil
}

// took takes in how a call ended.
func (h *hooks) took(r result) {
	delete(h.busy, r.service)
	outcome := "ok"
	if r.err != nil {
		outcome = "failed"
	}
	h.metrics.hooks.WithLabelValues(string(r.action), outcome).Inc()
	if r.err != nil {
		h.retry.failed(r.service, time.Now())
		h.wrong[r.service] = r.err.Error()
		h.logger.Error("the hook failed, and is called again", "service", r.service.String(), "error", r.err)
		h.config.warn(r.service, "HookFailed", r.err.Error())
		if h.told[r.service] == nil && r.told != nil {
			h.told[r.service] = r.told // so that it is removed, should the service go
		}
		return
	}
	h.retry.done(r.service)
	delete(h.wrong, r.service)
	h.logger.Info("the hook was called", "service", r.service.String(), "action", string(r.action))
	if r.told == nil {
		delete(h.told, r.service)
		return
	}
	h.told[r.service] = r.told
}
