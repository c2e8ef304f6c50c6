package registry

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// world makes random objects of a small registry, so that they meet often.
type world struct {
	*rand.Rand
	revision int64
}

func newWorld(seed uint64) *world { return &world{rand.New(rand.NewPCG(seed, 7)), 1} }

func (w *world) key(prefix string) Key {
	return Key{fmt.Sprintf("ns%d", w.IntN(3)), fmt.Sprintf("%s%d", prefix, w.IntN(4))}
}

func (w *world) addrs(net byte) []netip.Addr {
	addrs := make([]netip.Addr, w.IntN(4))
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, net, 0, byte(w.IntN(6))})
	}
	return addrs
}

// change returns a random change, and counts the revision up.
func (w *world) change() Change {
	w.revision++
	meta := Meta{ModRevision: w.revision, CreateRevision: w.Int64N(4)}
	meta.Kind = []Kind{KindService, KindEndpoints, KindEndpointSlice, KindPod, KindNode, KindNamespace, KindServiceCIDR}[w.IntN(7)]
	meta.Key = w.key("x")
	if w.IntN(3) == 0 {
		return Delete(meta.Ref())
	}
	switch meta.Kind {
	case KindService:
		return Put(&Service{Meta: meta, PortalIPs: w.addrs(1)})
	case KindEndpoints:
		return Put(&Endpoints{Meta: meta, Service: meta.Key, Subsets: w.subsets()})
	case KindEndpointSlice:
		slice := &Endpoints{Meta: meta, Subsets: w.subsets()}
		if w.IntN(4) > 0 {
			slice.Service = w.key("x")
		}
		return Put(slice)
	case KindPod:
		return Put(&Pod{Meta: meta, IPs: w.addrs(2), Finished: w.IntN(3) == 0})
	case KindNode:
		return Put(&Node{Meta: meta, Ready: w.IntN(2) == 0, Leaving: w.IntN(2) == 0})
	case KindNamespace:
		meta.Key = Key{Name: meta.Namespace}
		return Put(&Namespace{meta})
	default:
		return Put(&ServiceCIDR{meta, []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(w.IntN(3))}), 16)}})
	}
}

func (w *world) subsets() []Subset {
	var endpoints []Endpoint
	for _, a := range w.addrs(2) {
		endpoints = append(endpoints, Endpoint{Addr: a})
	}
	return []Subset{{Endpoints: endpoints}, {Endpoints: []Endpoint{{Host: "outside.example.org"}}}}
}

// view is all that can be asked of a snapshot.
type view struct {
	Services, Pods, Nodes []Key
	Entries               map[Key][]Subset
	Objects               map[Ref]int64
	Counts                map[Kind]int
	ByPortalIP            map[netip.Addr]Key
	PodsByIP              map[netip.Addr][]Key
	Namespaces            map[string]bool
	Networks              []netip.Prefix
}

func look(s *Snapshot) view {
	v := view{
		Entries: map[Key][]Subset{}, Objects: map[Ref]int64{}, Counts: map[Kind]int{},
		ByPortalIP: map[netip.Addr]Key{}, PodsByIP: map[netip.Addr][]Key{},
		Namespaces: map[string]bool{}, Networks: s.PortalNetworks(),
	}
	for e := range s.Services() {
		v.Services = append(v.Services, e.Key)
		v.Entries[e.Key] = s.Service(e.Key).Subsets
	}
	for p := range s.Pods() {
		v.Pods = append(v.Pods, s.Pod(p.Key).Key)
	}
	for n := range s.Nodes() {
		v.Nodes = append(v.Nodes, n.Key)
	}
	for o := range s.Objects() {
		v.Objects[o.Ref()] = s.Object(o.Ref()).Metadata().ModRevision
	}
	for k := range KindIPAddress + 1 {
		v.Counts[k] = s.Count(k)
	}
	for _, keys := range [][]Key{v.Services, v.Pods, v.Nodes} {
		slices.SortFunc(keys, Key.Compare)
	}
	v.lookAtIndexes(s)
	return v
}

func (v *view) lookAtIndexes(s *Snapshot) {
	for i := range 3 * 6 {
		a := netip.AddrFrom4([4]byte{10, byte(i / 6), 0, byte(i % 6)})
		if e := s.ByPortalIP(a); e != nil {
			v.ByPortalIP[a] = e.Key
		}
		if pods := slices.SortedFunc(s.PodKeysByIP(a), Key.Compare); pods != nil {
			v.PodsByIP[a] = pods
		}
	}
	for _, name := range []string{"ns0", "ns1", "ns2", "ns3"} {
		v.Namespaces[name] = s.HasNamespace(name)
	}
}

var compareViews = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// However a registry came to be what it is, it looks the same: change by
// change, in batches, at once, or replaced after something else. And what was
// is not touched by what comes.
func TestAllWaysLeadToTheSameSnapshot(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(seed)
		single, batched, replaced := &Snapshot{}, &Snapshot{}, &Snapshot{}
		records := map[Ref]Record{}
		var batch []Change
		var snapshots []*Snapshot
		var views []view
		for step := range 120 {
			c := w.change()
			delete(records, c.Ref)
			if c.Object != nil {
				records[c.Ref] = Pack(c.Object)
			}
			single, _ = single.Apply(w.revision, c)
			if batch = append(batch, c); step%7 != 6 {
				continue
			}
			batched, _ = batched.Apply(w.revision, batch...)
			batch = nil
			replaced, _ = replaced.Replace(w.revision, maps.Values(records))
			var now []Object
			for _, r := range records {
				now = append(now, r.Object())
			}
			want := look(Build(w.revision, now...))
			for name, s := range map[string]*Snapshot{"single": single, "batched": batched, "replaced": replaced} {
				if diff := cmp.Diff(want, look(s), compareViews); diff != "" {
					t.Fatalf("seed %d, step %d: Build differs from %s (-build +%s):\n%s", seed, step, name, name, diff)
				}
			}
			snapshots, views = append(snapshots, single), append(views, want)
		}
		for i, s := range snapshots {
			if diff := cmp.Diff(views[i], look(s), compareViews); diff != "" {
				t.Fatalf("seed %d: snapshot %d has changed (-then +now):\n%s", seed, i, diff)
			}
		}
	}
}

func packed(objects ...Object) []Record {
	var records []Record
	for _, o := range objects {
		records = append(records, Pack(o))
	}
	return records
}

// Changes names all that looks different, and Replace nothing else.
func TestChangesNameTheDifference(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(seed)
		old := &Snapshot{}
		for range 60 {
			var changes []Change
			for range 1 + w.IntN(3) {
				changes = append(changes, w.change())
			}
			next, touched := old.Apply(w.revision, changes...)
			_, exact := old.Replace(w.revision, next.Records())
			for _, pair := range [][2][]Key{
				{exact.Services, touched.Services}, {exact.Pods, touched.Pods}, {exact.Nodes, touched.Nodes},
				{exact.Namespaces, touched.Namespaces}, {exact.ServiceCIDRs, touched.ServiceCIDRs},
			} {
				if !slices.IsSortedFunc(pair[1], Key.Compare) || len(slices.Compact(slices.Clone(pair[1]))) != len(pair[1]) {
					t.Fatalf("seed %d: not a sorted set: %v", seed, pair[1])
				}
				for _, k := range pair[0] {
					if !slices.Contains(pair[1], k) {
						t.Fatalf("seed %d: %v changed, but only %v are named", seed, k, pair[1])
					}
				}
			}
			for e := range next.Services() {
				if o := old.Service(e.Key); !slices.Contains(touched.Services, e.Key) && !reflect.DeepEqual(e, o) {
					t.Fatalf("seed %d: %v differs but isn't named", seed, e.Key)
				}
			}
			old = next
		}
	}
}

func TestReplaceComparesContent(t *testing.T) {
	old := Build(5, fleetService(0), fleetService(1))
	same, other := fleetService(0), fleetService(1)
	other.PublicIPs = []netip.Addr{fleetAddr(192, 1)}
	s, changes := old.Replace(9, slices.Values(packed(same, other)))
	if diff := cmp.Diff(&Changes{Services: []Key{fleetKey(1)}}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if s.Revision() != 9 {
		t.Errorf("revision %d, want 9", s.Revision())
	}
	if len(s.Service(fleetKey(1)).PublicIPs) != 1 {
		t.Error("the same revision hid other content")
	}
}

func TestDeleteOfNothing(t *testing.T) {
	if _, c := Build(1).Apply(2, Delete(Ref{KindService, Key{"a", "b"}}), Delete(Ref{KindPod, Key{"a", "b"}})); !c.Empty() {
		t.Errorf("changes %+v, want none", c)
	}
}

func TestByPortalIPFirstHolder(t *testing.T) {
	ip := fleetAddr(10, 1)
	service := func(name string, created int64) *Service {
		return &Service{Meta: Meta{Kind: KindService, Key: Key{"ns", name}, CreateRevision: created}, PortalIPs: []netip.Addr{ip}}
	}
	s := Build(1, service("late", 9), service("b", 3), service("a", 3), service("latest", 10))
	for _, want := range []string{"a", "b", "late", "latest"} {
		holder := s.ByPortalIP(ip)
		if holder == nil || holder.Name != want {
			t.Fatalf("the holder is %+v, want %s", holder, want)
		}
		s, _ = s.Apply(2, Delete(holder.Ref()))
	}
	if holder := s.ByPortalIP(ip); holder != nil {
		t.Errorf("the holder is %+v, want nobody", holder)
	}
}

func TestHasNamespace(t *testing.T) {
	service := func(name string) Object {
		return &Service{Meta: Meta{Kind: KindService, Key: Key{"used", name}}}
	}
	s := Build(1, service("a"), service("b"), &Namespace{Meta{Kind: KindNamespace, Key: Key{Name: "made"}}},
		&Endpoints{Meta: Meta{Kind: KindEndpoints, Key: Key{"only-endpoints", "a"}}, Service: Key{"only-endpoints", "a"}})
	for name, want := range map[string]bool{"used": true, "made": true, "only-endpoints": false, "": false, "other": false} {
		if got := s.HasNamespace(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	for i, c := range []Change{Put(service("a")), Delete(service("a").Ref()), Delete(service("b").Ref())} {
		s, _ = s.Apply(2, c)
		if got, want := s.HasNamespace("used"), i < 2; got != want {
			t.Errorf("after change %d: %v, want %v", i, got, want)
		}
	}
}

func TestSlicesWinOverEndpoints(t *testing.T) {
	k := Key{"ns", "a"}
	part := func(kind Kind, name string, last byte) *Endpoints {
		return &Endpoints{
			Meta: Meta{Kind: kind, Key: Key{"ns", name}}, Service: k,
			Subsets: []Subset{{Endpoints: []Endpoint{{Addr: netip.AddrFrom4([4]byte{10, 0, 0, last})}}}},
		}
	}
	service := &Service{Meta: Meta{Kind: KindService, Key: k}}
	s := Build(1, service, part(KindEndpoints, "a", 1), part(KindEndpointSlice, "a-z", 3), part(KindEndpointSlice, "a-b", 2))
	addresses := func() (got []byte) {
		for _, subset := range s.Service(k).Subsets {
			got = append(got, subset.Endpoints[0].Addr.As4()[3])
		}
		return got
	}
	if diff := cmp.Diff([]byte{2, 3}, addresses()); diff != "" {
		t.Errorf("with slices, in the order of their names (-want +got):\n%s", diff)
	}
	s, _ = s.Apply(2, Delete(Ref{KindEndpointSlice, Key{"ns", "a-b"}}), Delete(Ref{KindEndpointSlice, Key{"ns", "a-z"}}))
	if diff := cmp.Diff([]byte{1}, addresses()); diff != "" {
		t.Errorf("without slices (-want +got):\n%s", diff)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	objects := fleet(2000)
	for i := range 2000 {
		objects = append(objects, &Pod{Meta: Meta{Kind: KindPod, Key: fleetKey(i)}, IPs: []netip.Addr{fleetAddr(172, i)}})
	}
	s := Build(1, append(objects, &Namespace{Meta{Kind: KindNamespace, Key: Key{Name: "made"}}})...)
	for name, lookup := range map[string]func() bool{
		"PortalIPHolder":       func() bool { _, ok := s.PortalIPHolder(fleetAddr(10, 1234)); return ok },
		"PodKeysByIP":          func() bool { return hasPod(s, fleetAddr(172, 1234)) },
		"HasNamespace":         func() bool { return s.HasNamespace("ns-7") },
		"HasNamespace, made":   func() bool { return s.HasNamespace("made") },
		"no PortalIPHolder":    func() bool { _, ok := s.PortalIPHolder(fleetAddr(11, 1)); return !ok },
		"no PodKeysByIP":       func() bool { return !hasPod(s, fleetAddr(11, 1)) },
		"HasNamespace, absent": func() bool { return !s.HasNamespace("nowhere") },
		"Service, absent":      func() bool { return s.Service(Key{"ns-1", "nothing"}) == nil },
		"Node, absent":         func() bool { return s.Node("nowhere") == nil },
		"Record":               func() bool { _, ok := s.Record(Ref{KindPod, Key{"ns-0", "service-7"}}); return ok },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if !lookup() {
				t.Errorf("%s: the answer is wrong", name)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func hasPod(s *Snapshot, addr netip.Addr) bool {
	for range s.PodKeysByIP(addr) {
		return true
	}
	return false
}

// A snapshot keeps no part of the strings that came with a change: they may
// be part of something large.
func TestKeysAreCopied(t *testing.T) {
	large := "my-ns/my-service/" + strings.Repeat("x", 1000)
	k := Key{large[:5], large[6:16]}
	s := Build(1, &Service{Meta: Meta{Kind: KindService, Key: k}}, &Endpoints{Meta: Meta{Kind: KindEndpointSlice, Key: k}, Service: k})
	_, touched := s.Apply(2, Put(&Pod{Meta: Meta{Kind: KindPod, Key: k}}), Delete(Ref{KindService, k}))
	keys := append(touched.Services, touched.Pods...)
	for r := range s.Records() {
		keys = append(keys, r.Key)
	}
	for k := range s.slicesOf.sets.All() {
		keys = append(keys, k)
	}
	for _, got := range keys {
		if got != k {
			t.Errorf("the key is %v, want %v", got, k)
		}
		if unsafe.StringData(got.Namespace) == unsafe.StringData(large) || unsafe.StringData(got.Name) == unsafe.StringData(large[6:]) {
			t.Errorf("a key of %v is part of what came with a change", k)
		}
		if unsafe.StringData(got.Namespace) != unsafe.StringData(keys[0].Namespace) {
			t.Error("the namespace's name is there twice")
		}
	}
	if len(keys) != 5 {
		t.Errorf("%d keys, want 5", len(keys))
	}
}
