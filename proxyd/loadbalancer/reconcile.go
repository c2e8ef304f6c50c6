package loadbalancer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// reconcile brings one service and its claims to what they must be.
func (c *controller) reconcile(ctx context.Context, k registry.Key) error {
	var p *plan
	ref := registry.Ref{Kind: registry.KindService, Key: k}
	revision, err := c.writer.Amend(ctx, ref, func(d *codec.Document) (write.Also, error) {
		p = &plan{
			key: k, layout: c.Layout, book: c.book, now: time.Now(), grace: c.Grace, overGone: c.hooks == nil,
			listed: func(a netip.Addr) bool { return c.lists.another(k, a) },
		}
		g, err := c.hooks.ask(ctx, k, d)
		if err != nil {
			return write.Also{}, err
		}
		if err := p.make(d, g); err != nil {
			return write.Also{}, err
		}
		also, err := p.also()
		if err != nil {
			return also, err
		}
		return c.withNote(p, also)
	})
	if err != nil {
		return err
	}
	c.settled(p, revision)
	return nil
}

// withNote adds what is to be said about the service.
func (c *controller) withNote(p *plan, also write.Also) (write.Also, error) {
	note, noted := c.notes[p.key]
	key := NoteKey(c.Layout, p.key)
	switch {
	case p.problem == note.Problem:
	case p.problem == "" && noted:
		also.Ops = append(also.Ops, clientv3.OpDelete(key))
	default:
		value, err := Note{p.problem, p.now.UTC().Truncate(time.Second)}.encode()
		if err != nil {
			return also, err
		}
		also.Ops = append(also.Ops, clientv3.OpPut(key, value))
	}
	return also, nil
}

// settled takes in what was written.
func (c *controller) settled(p *plan, revision int64) {
	if p.wish.mine {
		c.wanting[p.key] = true
	} else {
		delete(c.wanting, p.key)
	}
	if revision > 0 && p.wish.service != nil {
		c.wrote[p.key] = revision
	}
	before := c.book.Held(p.key)
	c.book.Apply(p.update(revision))
	after := c.book.Held(p.key)
	log := c.Logger.With("service", p.key.String())
	for _, a := range after {
		if !slices.Contains(before, a) {
			c.metrics.changes.WithLabelValues("assigned").Inc()
			log.Info("a service got an address", "address", a.String(), "pool", c.book.Claim(a).Pool)
			c.normal(p.key, "AddressAssigned", a.String()+c.origin(a))
		}
	}
	for _, a := range before {
		if !slices.Contains(after, a) {
			c.metrics.changes.WithLabelValues("freed").Inc()
			log.Info("an address is free", "address", a.String())
			if p.wish.service != nil {
				c.normal(p.key, "AddressFreed", a.String())
			}
			c.awaken()
		}
	}
	if p.problem == c.notes[p.key].Problem {
		return
	}
	c.tellProblems(p, c.notes[p.key])
	delete(c.notes, p.key)
	if p.problem != "" {
		c.notes[p.key] = Note{p.problem, p.now}
		log.Warn("a service doesn't get what it wants of a load balancer", "problem", p.problem)
	}
}

// readNotes reads what is said about services already.
func (c *controller) readNotes(ctx context.Context) error {
	c.notes = map[registry.Key]Note{}
	dir := NoteDir(c.Layout)
	response, err := c.Client.Get(ctx, dir, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	for _, kv := range response.Kvs {
		if ns, name, ok := strings.Cut(strings.TrimPrefix(string(kv.Key), dir), "/"); ok {
			note, _ := DecodeNote(kv.Value) // one that can't be read is written anew
			c.notes[registry.Key{Namespace: ns, Name: name}] = note
		}
	}
	return nil
}
