package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filled sets every field below v to something that no other field has, so
// that one that gets lost or swapped is noticed.
func filled(t testing.TB, v reflect.Value, n *uint64) {
	t.Helper()
	*n++
	switch p := v.Addr().Interface().(type) {
	case *netip.Addr:
		*p = netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)})
		return
	case *netip.Prefix:
		*p = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(*n), 0, 0}), 16)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filled(t, v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(t, v.Index(0), n)
		filled(t, v.Index(1), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		filled(t, key, n)
		filled(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(strings.Repeat("x", int(*n)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(int64(*n) * 1e10)
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(*n)
	default:
		t.Fatalf("a %v: teach this function", v.Type())
	}
}

// samples are objects of each kind with all fields set and with none.
func samples(t testing.TB) []Object {
	t.Helper()
	var objects []Object
	for kind := KindService; kind <= KindIPAddress; kind++ {
		for _, name := range []string{"filled", "zero"} {
			r := Ref{kind, Key{"my-ns", name}}
			o, n := newObject(r), uint64(0)
			if name == "filled" {
				filled(t, reflect.ValueOf(o).Elem(), &n)
			}
			o.Metadata().Kind, o.Metadata().Key = r.Kind, r.Key
			objects = append(objects, o)
		}
	}
	return objects
}

// variety are objects whose fields hold what is special.
func variety() []Object {
	meta := Meta{Kind: KindService, Key: Key{"my-ns", "a"}}
	negative := meta
	negative.CreateRevision, negative.ModRevision = -1, -1<<63
	empty := meta
	empty.Labels, empty.Annotations = map[string]string{}, map[string]string{}
	words := meta
	words.UID, words.Created, words.APIVersion = "my-ns", 1425168000, "v1"
	words.Labels = map[string]string{"": "a", "TCP": "b", "c": "", "b": "TCP", "a": "my-ns"}
	many := &Service{Meta: meta}
	for i := range 3 * maxSeen { // more strings than are remembered, all twice
		many.Ports = append(many.Ports, Port{Name: strings.Repeat("n", i), TargetPort: strings.Repeat("n", i)})
	}
	var addrs []netip.Addr
	for _, a := range []string{"10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "fe80::1%eth0", "::", "0.0.0.0"} {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return []Object{
		&Service{Meta: negative, AffinityTimeout: -1},
		&Service{Meta: empty, Selector: map[string]string{}, Ports: []Port{}, PortalIPs: []netip.Addr{}},
		&Service{Meta: words, Type: "SCTP", Ports: []Port{{Protocol: "HTTP", Port: 65535}}},
		many,
		&Service{Meta: meta, PortalIPs: append(addrs, netip.Addr{}), SourceRanges: []netip.Prefix{
			{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8::/128"), netip.PrefixFrom(addrs[0], -1),
		}},
	}
}

func TestRecordKeepsEverything(t *testing.T) {
	for _, want := range append(samples(t), variety()...) {
		r := Pack(want)
		if got := r.Object(); !reflect.DeepEqual(want, got) {
			t.Errorf("%v (-want +got):\n%s", r.Ref, cmp.Diff(want, got, compareViews))
		}
		if again := Pack(r.Object()); again != r {
			t.Errorf("%v: packed again it is another record", r.Ref)
		}
		if checked, err := NewRecord(r.Ref, r.Data()); held(r.Kind) && (err != nil || checked != r) {
			t.Errorf("%v: the check gives %v, %v", r.Ref, checked, err)
		}
	}
}

// A record is as small as it is because of what it leaves out.
func TestRecordIsSmall(t *testing.T) {
	for _, test := range []struct {
		object Object
		most   int
	}{{fleetService(1), 80}, {fleetEndpoints(1, 1), 300}} {
		if n := len(Pack(test.object).Data()); n > test.most {
			t.Errorf("%v has %d bytes, want at most %d", test.object.Ref(), n, test.most)
		}
	}
}

// Records stand in files. Where this fails, count up the format's version in
// package watch, then put the new sum here.
func TestRecordsAreWhatTheyWere(t *testing.T) {
	sum := sha256.New()
	for _, o := range append(samples(t), variety()...) {
		_, _ = io.WriteString(sum, Pack(o).Data()+"\n")
	}
	_, _ = io.WriteString(sum, strings.Join(common[:], "\n"))
	const want = "a323fce1ef398c9e"
	if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != want {
		t.Errorf("the sum is %s, want %s", got, want)
	}
}

func TestRecordRefusesDamage(t *testing.T) {
	for _, o := range samples(t) {
		r := Pack(o)
		for i := range len(r.data) {
			if _, err := NewRecord(r.Ref, r.data[:i]); err == nil {
				t.Errorf("%v: the first %d of %d bytes are taken for all", r.Ref, i, len(r.data))
			}
		}
		huge := strings.Repeat("\xff", 8) + "\x7f" // a length, perhaps: nothing may be made of that size
		for i := range len(r.data) {
			_, _ = NewRecord(r.Ref, r.data[:i]+huge)
		}
		if _, err := NewRecord(r.Ref, r.data+"\x00"); err == nil {
			t.Errorf("%v: a byte more is taken", r.Ref)
		}
	}
	for _, kind := range []Kind{0, KindIPAddress, 99} {
		if _, err := NewRecord(Ref{kind, Key{"", "a"}}, "x"); err == nil || !strings.Contains(err.Error(), "doesn't hold this kind") {
			t.Errorf("%v: got %v, want an error that a snapshot doesn't hold this kind", kind, err)
		}
	}
}

// Whatever bytes are taken for a record can be looked at in every way.
func FuzzRecord(f *testing.F) {
	for _, o := range append(samples(f), variety()...) {
		f.Add(uint8(o.Ref().Kind), Pack(o).Data())
	}
	f.Fuzz(func(t *testing.T, kind uint8, data string) {
		r, err := NewRecord(Ref{Kind(kind), Key{"my-ns", "a"}}, data)
		if err != nil {
			return
		}
		s, _ := (&Snapshot{}).Replace(1, slices.Values([]Record{r}))
		look(s)
		s, _ = s.Apply(2, Delete(r.Ref))
		if !s.Empty() || s.namespaces.Len()+s.byPortalIP.sets.Len()+s.podsByIP.sets.Len()+s.slicesOf.sets.Len() > 0 {
			t.Errorf("something is left of %v: %+v", r.Ref, s)
		}
		if o := r.Object(); !reflect.DeepEqual(o, Pack(o).Object()) {
			t.Errorf("%+v is not what it is when packed again", o)
		}
	})
}

// Records that are put together are what they were, and take one allocation.
func TestTogether(t *testing.T) {
	a, b := Pack(&Namespace{Meta{Kind: KindNamespace, Key: Key{Name: "a"}, UID: "1"}}), Pack(&Namespace{Meta{Kind: KindNamespace, Key: Key{Name: "b"}, UID: "22"}})
	records := []Record{a, b}
	if n := testing.AllocsPerRun(10, func() { Together(records) }); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
	if records[0] != a || records[1] != b {
		t.Errorf("got %q, want %q", records, []Record{a, b})
	}
}
