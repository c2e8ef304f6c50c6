package write_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// store is a registry in a real etcd, with a Writer and a view past it.
type store struct {
	*write.Writer
	t      *testing.T
	client *clientv3.Client
	layout codec.Layout
}

// newStore returns a store with some portal networks; with none, Init isn't
// called.
func newStore(t *testing.T, networks ...string) *store {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, client: registrytest.StartEtcd(t).Client(), layout: layout}
	s.Writer = s.another(write.Options{})
	if len(networks) > 0 {
		s.must(s.Init(t.Context(), prefixes(networks...)...))
	}
	return s
}

// another returns a new Writer on the same registry, as another process has.
func (s *store) another(opts write.Options) *write.Writer {
	return write.New(s.client, s.layout, opts)
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func (s *store) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// apply applies all documents of a manifest and returns the last outcome.
func (s *store) apply(manifest string) (outcome write.Outcome, err error) {
	s.t.Helper()
	return applyTo(s.t.Context(), s.Writer, manifest)
}

func applyTo(ctx context.Context, w *write.Writer, manifest string) (outcome write.Outcome, err error) {
	documents, err := codec.ParseDocuments("test.yaml", []byte(manifest))
	for _, d := range documents {
		if err == nil {
			outcome, err = w.Apply(ctx, d)
		}
	}
	return outcome, err
}

// want applies a manifest and checks the outcome.
func (s *store) want(want write.Outcome, manifest string) {
	s.t.Helper()
	if got, err := s.apply(manifest); err != nil || got != want {
		s.t.Fatalf("%s, %v; want %s", got, err, want)
	}
}

// refused applies a manifest that must fail, naming all of some texts, and
// must change nothing.
func (s *store) refused(manifest string, want ...string) error {
	s.t.Helper()
	before := s.revision()
	_, err := s.apply(manifest)
	s.failed(err, want...)
	if after := s.revision(); after != before {
		s.t.Errorf("the refused write changed the registry")
	}
	return err
}

func (s *store) failed(err error, want ...string) {
	s.t.Helper()
	if err == nil {
		s.t.Fatalf("no error; want %q", want)
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			s.t.Errorf("error %q does not say %q", err, text)
		}
	}
}

func (s *store) put(key, value string) {
	s.t.Helper()
	_, err := s.client.Put(s.t.Context(), key, value)
	s.must(err)
}

func (s *store) remove(key string) {
	s.t.Helper()
	_, err := s.client.Delete(s.t.Context(), key)
	s.must(err)
}

// get returns the value at a key, or "".
func (s *store) get(key string) string {
	s.t.Helper()
	response, err := s.client.Get(s.t.Context(), key)
	s.must(err)
	if len(response.Kvs) == 0 {
		return ""
	}
	return string(response.Kvs[0].Value)
}

func (s *store) revision() int64 {
	s.t.Helper()
	response, err := s.client.Get(s.t.Context(), "/none")
	s.must(err)
	return response.Header.Revision
}

func serviceRef(namespace, name string) registry.Ref {
	return registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: namespace, Name: name}}
}

// portalIPs returns a stored service's portal IPs, separated by spaces.
func (s *store) portalIPs(namespace, name string) string {
	s.t.Helper()
	ref := serviceRef(namespace, name)
	object, err := codec.Decode(ref, []byte(s.get(s.layout.Key(ref))))
	s.must(err)
	return strings.Trim(fmt.Sprint(object.(*registry.Service).PortalIPs), "[]")
}

// holder returns the service that an IPAddress object names, or "".
func (s *store) holder(addr string) string {
	s.t.Helper()
	ref := registry.Ref{Kind: registry.KindIPAddress, Key: registry.Key{Name: addr}}
	value := s.get(s.layout.Key(ref))
	if value == "" {
		return ""
	}
	object, err := codec.Decode(ref, []byte(value))
	s.must(err)
	return object.(*registry.IPAddress).Service.String()
}

// v1beta1 returns a service as it was written in 2014.
func v1beta1(name, more string) string {
	return fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1beta1", "id": %q, "namespace": "my-ns", "port": 80%s}`, name, more)
}
