package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// store reads and writes the registry.
type store struct {
	client *clientv3.Client
	layout codec.Layout
	writer *write.Writer
}

func newStore(client *clientv3.Client, layout codec.Layout, opts write.Options) *store {
	return &store{client, layout, write.New(client, layout, opts)}
}

// source is what the registry says of a service.
type source struct {
	service *registry.Service // nil if there is none
	check   *check            // nil if nothing is to be checked
	remarks []string          // what is wrong with what the user wrote
	// subsets are the user's endpoints: of the Endpoints object, or where
	// others made slices those of their endpoints that are given by name.
	subsets []registry.Subset
	sliced  bool // others made slices
	// pods are the endpoints of the slices that package endpoints made, nil if
	// there are none: ready where they would be if they passed their checks.
	pods     []registry.Subset
	selected bool // subsets are pods
	own      map[string]*registry.Endpoints
	others   []netip.Addr // the other endpoints of slices that others made
	// stands is the service if our condition is in its status, else nil.
	stands  *codec.Document
	sayable bool // there is a service whose status can be written
}

// read reads a service, of which it is known which slices it may have.
func (s *store) read(ctx context.Context, k registry.Key, known []registry.Key) (*source, error) {
	src := &source{own: map[string]*registry.Endpoints{}}
	service, value, err := get[*registry.Service](ctx, s, registry.Ref{Kind: registry.KindService, Key: k})
	if err != nil {
		return nil, err
	}
	if service != nil {
		src.readStatus(service, value)
	}
	if service != nil && canServe(service) {
		src.service = service
	}
	for _, slice := range known {
		if err := src.readSlice(ctx, s, registry.Ref{Kind: registry.KindEndpointSlice, Key: slice}); err != nil {
			return nil, err
		}
	}
	if src.service == nil {
		return src, nil
	}
	if src.check, err = parseCheck(service.Annotations); err != nil {
		src.remarks = append(src.remarks, "not checked: "+err.Error())
	}
	if service.Type == registry.ExternalName {
		src.subsets = behindName(service)
		return src, nil
	}
	if src.sliced {
		if src.check != nil {
			src.check = nil
			src.remarks = append(src.remarks, "not checked: the service has EndpointSlices that others made")
		}
		return src, nil
	}
	if src.pods != nil {
		src.selected, src.subsets = true, src.pods
		return src, nil
	}
	endpoints, _, err := get[*registry.Endpoints](ctx, s, registry.Ref{Kind: registry.KindEndpoints, Key: k})
	if err == nil && endpoints != nil && endpoints.Annotations[MirrorAnnotation] != SelectedBy { // else its slices are on their way
		src.subsets = endpoints.Subsets
	}
	return src, err
}

func (src *source) readSlice(ctx context.Context, s *store, ref registry.Ref) error {
	slice, _, err := get[*registry.Endpoints](ctx, s, ref)
	switch {
	case err != nil || slice == nil:
		return err
	case own(slice):
		src.own[slice.Name] = slice
		return nil
	case slice.Labels[discoveryv1.LabelManagedBy] == SelectedBy:
		src.selects(slice)
		return nil
	}
	src.sliced = true
	for _, subset := range slice.Subsets {
		for i := range subset.Endpoints {
			if e := &subset.Endpoints[i]; e.Host == "" {
				src.others = append(src.others, e.Addr)
			}
		}
		subset.Endpoints = slices.DeleteFunc(subset.Endpoints, func(e registry.Endpoint) bool { return e.Host == "" })
		src.subsets = append(src.subsets, subset)
	}
	return nil
}

// get reads an object, and the value that it is stored as; nil if there is none.
func get[O registry.Object](ctx context.Context, s *store, ref registry.Ref) (object O, value []byte, err error) {
	response, err := s.client.Get(ctx, s.layout.Key(ref))
	if err != nil {
		return object, nil, fmt.Errorf("read %s: %w", ref, err)
	}
	if len(response.Kvs) == 0 {
		return object, nil, nil
	}
	value = response.Kvs[0].Value
	o, err := codec.Decode(ref, value)
	if err != nil {
		return object, nil, fmt.Errorf("read %s: %w", ref, err)
	}
	o.Metadata().ModRevision = response.Kvs[0].ModRevision
	return o.(O), value, nil
}

// change is what has to be written so that a service has the slices that it
// should, and says what is refused.
type change struct {
	puts      []*registry.Endpoints // with the revision that they replace; zero for none
	deletes   []registry.Ref
	service   registry.Key
	condition *registry.Condition // of the service; nil where it is as it should be
}

// differences returns what has to be written. Slices that are new come first,
// and the last of them before the others, so that an endpoint which moves from
// one to another is never in none.
func differences(have map[string]*registry.Endpoints, want []*registry.Endpoints) *change {
	c := &change{}
	left := maps.Clone(have)
	for _, slice := range want {
		old := left[slice.Name]
		delete(left, slice.Name)
		if equal(old, slice) {
			continue
		}
		if old != nil {
			slice.ModRevision = old.ModRevision
		}
		c.puts = append(c.puts, slice)
	}
	if len(left) == 0 {
		slices.Reverse(c.puts)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		c.deletes = append(c.deletes, left[name].Ref())
	}
	return c
}

// equal reports whether a slice stands in the registry as it should.
func equal(have, want *registry.Endpoints) bool {
	return have != nil && maps.Equal(have.Labels, want.Labels) && maps.Equal(have.Annotations, want.Annotations) &&
		slices.EqualFunc(have.Subsets, want.Subsets, func(a, b registry.Subset) bool {
			return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
		})
}

func (c *change) empty() bool { return len(c.puts)+len(c.deletes) == 0 && c.condition == nil }

// write makes a change. A slice of the same name that isn't ours, or isn't as it
// was read, stays, and is an error.
func (s *store) write(ctx context.Context, c *change) error {
	for _, slice := range c.puts {
		if err := s.put(ctx, slice); err != nil {
			return err
		}
	}
	for _, ref := range c.deletes {
		if err := s.writer.Delete(ctx, ref); err != nil && !errors.Is(err, write.ErrNotFound) {
			return err
		}
	}
	if c.condition != nil {
		return s.say(ctx, c.service, *c.condition)
	}
	return nil
}

// networks reads the portal networks.
func (s *store) networks(ctx context.Context) ([]netip.Prefix, error) {
	dir := s.layout.Dir(registry.KindServiceCIDR)
	response, err := s.client.Get(ctx, dir, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	var networks []netip.Prefix
	for _, kv := range response.Kvs {
		if ref, ok := s.layout.Ref(string(kv.Key)); ok {
			if o, err := codec.Decode(ref, kv.Value); err == nil {
				networks = append(networks, o.(*registry.ServiceCIDR).Prefixes...)
			}
		}
	}
	return networks, nil
}

// lift gives a service that stands for a name a portal IP.
func (s *store) lift(ctx context.Context, service registry.Key) error {
	return s.writer.Lift(ctx, service)
}

func (s *store) put(ctx context.Context, slice *registry.Endpoints) error {
	condition := write.Condition{Absent: slice.ModRevision == 0, Revision: slice.ModRevision}
	value, err := codec.Encode(slice)
	if err != nil {
		return err
	}
	document, err := codec.ParseValue(slice.Ref(), value)
	if err != nil {
		return err
	}
	_, err = s.writer.ApplyIf(ctx, document, condition)
	return err
}
