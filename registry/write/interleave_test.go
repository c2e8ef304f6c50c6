package write_test

import (
	"context"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/write"
)

// interposed is etcd with somebody else who acts at the worst moment: after a
// Writer has read what it bases its write on, and before it writes.
type interposed struct {
	clientv3.KV
	act func()
}

func (k *interposed) Txn(ctx context.Context) clientv3.Txn {
	return &interposedTxn{inner: k.KV.Txn(ctx), kv: k}
}

// interposedTxn lets the other one act before the first transaction that has
// conditions.
type interposedTxn struct {
	inner       clientv3.Txn
	kv          *interposed
	conditional bool
}

func (t *interposedTxn) If(cmps ...clientv3.Cmp) clientv3.Txn {
	t.inner, t.conditional = t.inner.If(cmps...), true
	return t
}

func (t *interposedTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.inner = t.inner.Then(ops...)
	return t
}

func (t *interposedTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.inner = t.inner.Else(ops...)
	return t
}

func (t *interposedTxn) Commit() (*clientv3.TxnResponse, error) {
	if act := t.kv.act; act != nil && t.conditional {
		t.kv.act = nil
		act()
	}
	return t.inner.Commit()
}

// whileWriting returns a Writer whose first write comes just after act.
func (s *store) whileWriting(act func()) *write.Writer {
	return s.through(&interposed{s.client.KV, act})
}

// through returns a Writer that reaches etcd in a way of its own.
func (s *store) through(kv clientv3.KV) *write.Writer {
	client := clientv3.NewCtxClient(s.t.Context())
	client.KV = kv
	return write.New(client, s.layout, write.Options{})
}

func TestInterleavedWrites(t *testing.T) {
	tests := []struct {
		name  string
		other func(*store) // what somebody does meanwhile
		apply string
		err   string
		check func(*store)
	}{
		{
			name:  "an apiserver comes to life",
			other: func(s *store) { s.put("/registry/masterleases/192.0.2.1", "k8s\x00") },
			apply: v1beta1("web", `, "labels": {"a": "b"}`),
			err:   "belongs to a Kubernetes",
		},
		{
			name:  "the service is changed",
			other: func(s *store) { s.want(write.Configured, v1beta1("web", `, "portalIP": "10.0.0.1", "new": "field"`)) },
			apply: v1beta1("web", `, "labels": {"a": "b"}`),
			check: func(s *store) {
				for _, want := range []string{`"new":"field"`, `"labels":{"a":"b"}`} {
					if value := s.get("/registry/services/specs/my-ns/web"); !strings.Contains(value, want) {
						s.t.Errorf("%s is not in %s", want, value)
					}
				}
			},
		},
		{
			name:  "the service is deleted",
			other: func(s *store) { s.must(s.Delete(s.t.Context(), serviceRef("my-ns", "web"))) },
			apply: v1beta1("web", `, "labels": {"a": "b"}`),
			check: func(s *store) { s.consistent(1) },
		},
		{
			name:  "the last address is taken",
			other: func(s *store) { s.want(write.Created, v1beta1("other", "")) },
			apply: v1beta1("third", ""),
			err:   "is full",
			check: func(s *store) { s.consistent(2) },
		},
		{
			name:  "the named address is taken",
			other: func(s *store) { s.want(write.Created, v1beta1("other", `, "portalIP": "10.0.0.2"`)) },
			apply: v1beta1("third", `, "portalIP": "10.0.0.2"`),
			err:   "service my-ns/other holds it",
			check: func(s *store) { s.consistent(2) },
		},
		{
			name: "the address to be taken over is taken over",
			other: func(s *store) {
				s.want(write.Created, v1beta1("other", `, "portalIP": "10.0.0.1"`))
			},
			apply: "gone" + v1beta1("third", `, "portalIP": "10.0.0.1"`),
			err:   "service my-ns/other holds it",
			check: func(s *store) { s.consistent(1) },
		},
		{
			name: "the service whose address is to be taken over is back",
			other: func(s *store) {
				s.put("/registry/services/specs/my-ns/web", v1beta1("web", `, "portalIP": "10.0.0.1"`))
			},
			apply: "gone" + v1beta1("third", `, "portalIP": "10.0.0.1"`),
			err:   "service my-ns/web holds it",
			check: func(s *store) { s.consistent(1) },
		},
		{
			name: "that service is back without it",
			other: func(s *store) {
				s.put("/registry/services/specs/my-ns/web", v1beta1("web", `, "portalIP": "None"`))
			},
			apply: "gone" + v1beta1("third", `, "portalIP": "10.0.0.1"`),
			check: func(s *store) {
				if got := s.holder("10.0.0.1"); got != "my-ns/third" {
					s.t.Errorf("10.0.0.1 is held by %q", got)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, "10.0.0.0/30")
			s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.1"`))
			manifest, gone := strings.CutPrefix(tt.apply, "gone")
			if gone {
				s.remove("/registry/services/specs/my-ns/web") // its IPAddress stays
			}
			acted := false
			_, err := applyTo(t.Context(), s.whileWriting(func() { acted = true; tt.other(s) }), manifest)
			if !acted {
				t.Fatal("nobody came between")
			}
			if tt.err != "" {
				s.failed(err, tt.err)
			} else {
				s.must(err)
			}
			if tt.check != nil {
				tt.check(s)
			}
		})
	}
}

func TestInterleavedDelete(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.1"`))
	w := s.whileWriting(func() { s.want(write.Configured, v1beta1("web", `, "portalIP": "10.0.0.2"`)) })
	s.must(w.Delete(t.Context(), serviceRef("my-ns", "web")))
	s.consistent(0)
}

// TestInterleavedForever is about a service that changes faster than a Writer
// can write.
func TestInterleavedForever(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	kv := &interposed{KV: s.client.KV}
	var touch func()
	touch = func() {
		s.put("/registry/services/endpoints/my-ns/web", `{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "web"}`)
		kv.act = touch
	}
	kv.act = touch
	_, err := applyTo(t.Context(), s.through(kv), `{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "web", "namespace": "my-ns", "endpoints": ["192.0.2.1:80"]}`)
	s.failed(err, "apply Endpoints my-ns/web: others kept changing it, for 100 attempts")
}
