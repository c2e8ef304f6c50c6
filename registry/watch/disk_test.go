package watch

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcreg/svcreg/registry"
)

// filled sets every field below v, so that one that gets lost is noticed.
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

// one returns an object of each kind with all fields set, one with none, and
// one with empty maps.
func one(t testing.TB) []registry.Object {
	t.Helper()
	var objects []registry.Object
	for _, k := range snapshotKinds {
		for _, name := range []string{"filled", "zero"} {
			o, n := newObject(k), uint64(0)
			if name == "filled" {
				filled(t, reflect.ValueOf(o).Elem(), &n)
			}
			o.Metadata().Kind, o.Metadata().Key = k, key(name)
			objects = append(objects, o)
		}
	}
	return append(objects, &registry.Service{
		Meta:     registry.Meta{Kind: registry.KindService, Key: key("empty"), Labels: map[string]string{}},
		Selector: map[string]string{}, // every pod, where nil is none
	})
}

var compareAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.SortSlices(func(a, b registry.Object) bool { return a.Ref().String() < b.Ref().String() }),
}

func encoded(t testing.TB, s *saved) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFormatKeepsEverything(t *testing.T) {
	want := newSaved("/registry", 0xfeedfacecafebeef, 42, one(t))
	got, err := decode(encoded(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.objects, got.objects, compareAddrs); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	want.objects, got.objects = nil, nil
	if !reflect.DeepEqual(want, got) {
		t.Errorf("header %+v, want %+v", got, want)
	}
}

// Objects are read by others while they are saved, which the race detector
// notices if saving writes to them.
func TestEncodingWritesToNoObject(t *testing.T) {
	objects := one(t)
	var savers sync.WaitGroup
	for range 2 {
		savers.Go(func() { encoded(t, newSaved("/registry", 1, 42, objects)) })
	}
	savers.Wait()
}

func TestDamagedFile(t *testing.T) {
	good := encoded(t, newSaved("/registry", 1, 42, one(t)))
	flip := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "found something else"},
		{"magic", flip(3), "found something else"},
		{"foreign", []byte(`{"kind":"Service"}`), "found something else"},
		{"newer format", append([]byte(magic), append([]byte{formatVersion + 1}, good[bodyStart:]...)...), "want format version 1, found 2"},
		{"only the magic", good[:bodyStart], "cut short"},
		{"first byte of the body", flip(bodyStart), "checksum"},
		{"middle", flip(len(good) / 2), "checksum"},
		{"last byte", flip(len(good) - 1), "checksum"},
		{"one byte short", good[:len(good)-1], "checksum"},
		{"half", good[:len(good)/2], "checksum"},
		{"one byte more", append(bytes.Clone(good), 0), "checksum"},
		{"other registry", encoded(t, newSaved("/other", 1, 42, nil)), "want a snapshot of the registry /registry, found one of /other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "snapshot")
			if err := os.WriteFile(file, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := newDisk(file, "/registry", slog.Default(), newTracker()).load()
			if err == nil || s != nil {
				t.Fatalf("got %v and %v, want an error", s, err)
			}
			if !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q of %s", err, test.want, file)
			}
		})
	}
}

// A checksum proves that a file is as it was written, not that the writer was
// sound.
func FuzzDecodeObjects(f *testing.F) {
	good := encoded(f, newSaved("/registry", 1, 42, one(f)))
	f.Add(good[bodyStart : len(good)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		data := append(append([]byte(magic), formatVersion), body...)
		sum := sha256.Sum256(data)
		if s, err := decode(append(data, sum[:]...)); (s == nil) == (err == nil) {
			t.Errorf("got %v and %v, want one of them", s, err)
		}
	})
}

func TestRestartWithEtcdAway(t *testing.T) {
	e, client := startEtcd(t)
	file := filepath.Join(t.TempDir(), "snapshot")
	putService(t, client, "a", "10.0.0.1")
	h := start(t, client, withFile(file))
	h.awaitSynced()
	putService(t, client, "b", "10.0.0.2")
	s := h.awaitService("b", "10.0.0.2")
	cluster := h.Status().ClusterID
	h.stop()
	if n := h.Status().SnapshotWrites; n == 0 {
		t.Error("nothing was saved")
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v: mode %v, want 0600", err, info.Mode())
	}

	e.Stop()
	h = start(t, client, withFile(file))
	<-h.Ready()
	if got := h.Snapshot(); got.Revision() != s.Revision() || portalIP(got, "a") != "10.0.0.1" || portalIP(got, "b") != "10.0.0.2" {
		t.Errorf("the saved snapshot is at revision %d, want %d", got.Revision(), s.Revision())
	}
	h.await("the notice", func(*registry.Snapshot) bool { return len(h.history()) == 1 })
	if diff := cmp.Diff(&registry.Changes{Services: []registry.Key{key("a"), key("b")}}, h.history()[0].changes); diff != "" {
		t.Errorf("the first notice (-want +got):\n%s", diff)
	}
	if st := h.Status(); !st.FromDisk || st.Synced || st.ClusterID != cluster || st.Revision != s.Revision() {
		t.Errorf("status %+v, want one from disk", st)
	}
	if st := h.Status(); !st.Current.Equal(info.ModTime()) || !st.SnapshotSaved.Equal(info.ModTime()) {
		t.Errorf("current at %v, saved at %v; want %v", st.Current, st.SnapshotSaved, info.ModTime())
	}

	e.Restart()
	h.awaitStatus("the list", func(s Status) bool { return s.Synced && !s.FromDisk })
	if n := h.history(); len(n) != 2 || !n[1].changes.Empty() {
		t.Errorf("%d notices, want a second one without a difference: %+v", len(n), n[len(n)-1].changes)
	}
}

func TestDamagedFileIsReportedAndReplaced(t *testing.T) {
	_, client := startEtcd(t)
	putService(t, client, "a", "10.0.0.1")
	file := filepath.Join(t.TempDir(), "snapshot")
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, client, withFile(file))
	h.awaitService("a", "10.0.0.1")
	if h.Status().SnapshotErrors != 1 || !strings.Contains(h.log(), file+": want a svcreg snapshot") {
		t.Errorf("status %+v, log:\n%s", h.Status(), h.log())
	}
	h.awaitStatus("a new file", func(s Status) bool { return s.SnapshotWrites == 1 })
	if _, err := h.disk.load(); err != nil {
		t.Error(err)
	}
}

// A value that turned bad while nobody looked must not take away what the
// saved snapshot knows.
func TestLastGoodFromDisk(t *testing.T) {
	_, client := startEtcd(t)
	putService(t, client, "a", "10.0.0.1")
	file := filepath.Join(t.TempDir(), "snapshot")
	h := start(t, client, withFile(file))
	h.awaitService("a", "10.0.0.1")
	h.stop()
	if _, err := client.Put(t.Context(), serviceKey("a"), undecodable); err != nil {
		t.Fatal(err)
	}
	h = start(t, client, withFile(file))
	h.awaitSynced()
	if got := portalIP(h.Snapshot(), "a"); got != "10.0.0.1" {
		t.Errorf("portal IP %q, want the saved one", got)
	}
}

func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "nowhere", "snapshot")
	var log bytes.Buffer
	d := newDisk(file, "/registry", slog.New(slog.NewTextHandler(&log, nil)), newTracker())
	d.offer(1, registry.Build(1))
	d.save()
	if got := d.status.get(); got.SnapshotErrors != 1 || got.SnapshotWrites != 0 || !strings.Contains(log.String(), file) {
		t.Errorf("status %+v, log %s", got, &log)
	}
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	d.offer(1, registry.Build(2))
	d.save()
	s, err := d.load()
	if err != nil || s == nil || s.Revision != 2 {
		t.Errorf("loaded %+v, %v", s, err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "nowhere", "*")); len(names) != 1 {
		t.Errorf("the directory holds %v, want only the snapshot", names)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "snapshot")
	old, fresh := file+".tmp-1", file+".tmp-2"
	for _, name := range []string{old, fresh} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * leftoverAge)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if s, err := newDisk(file, "/registry", slog.Default(), newTracker()).load(); s != nil || err != nil {
		t.Errorf("got %v, %v from no file", s, err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error("the fresh one is gone: its writer may be at work")
	}
}
