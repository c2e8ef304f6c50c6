package watch

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// one returns an object of each kind that a snapshot holds, and the snapshot.
func one(t testing.TB) *registry.Snapshot {
	t.Helper()
	var objects []registry.Object
	for _, kind := range snapshotKinds {
		m := registry.Meta{Kind: kind, Key: key("a"), UID: "b", ModRevision: 42}
		switch kind {
		case registry.KindService:
			objects = append(objects, &registry.Service{Meta: m, PortalIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}})
		case registry.KindEndpoints, registry.KindEndpointSlice:
			objects = append(objects, &registry.Endpoints{Meta: m, Service: m.Key})
		case registry.KindPod:
			objects = append(objects, &registry.Pod{Meta: m})
		case registry.KindNode:
			objects = append(objects, &registry.Node{Meta: m})
		case registry.KindNamespace:
			objects = append(objects, &registry.Namespace{Meta: m})
		case registry.KindServiceCIDR:
			objects = append(objects, &registry.ServiceCIDR{Meta: m})
		default:
			t.Fatalf("%v: teach this function", kind)
		}
	}
	return registry.Build(42, objects...)
}

func encoded(t testing.TB, prefix string, s *registry.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, header{prefix, 0xfeedfacecafebeef, s.Revision()}, s.Records()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFormatKeepsEverything(t *testing.T) {
	want := one(t)
	got, err := decode(encoded(t, "/registry", want))
	if err != nil {
		t.Fatal(err)
	}
	if h := (header{"/registry", 0xfeedfacecafebeef, 42}); got.header != h {
		t.Errorf("header %+v, want %+v", got.header, h)
	}
	if records := slices.Collect(want.Records()); len(records) != len(snapshotKinds) || !slices.Equal(got.records, records) {
		t.Errorf("records %v, want %v", got.records, records)
	}
}

func TestDamagedFile(t *testing.T) {
	good := encoded(t, "/registry", one(t))
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
		{"newer format", append([]byte(magic), append([]byte{formatVersion + 1}, good[bodyStart:]...)...), "want format version 7, found 8"},
		{"older format", append([]byte(magic), append([]byte{1}, good[bodyStart:]...)...), "want format version 7, found 1"},
		{"only the magic", good[:bodyStart], "cut short"},
		{"first byte of the body", flip(bodyStart), "checksum"},
		{"middle", flip(len(good) / 2), "checksum"},
		{"last byte", flip(len(good) - 1), "checksum"},
		{"one byte short", good[:len(good)-1], "checksum"},
		{"half", good[:len(good)/2], "checksum"},
		{"one byte more", append(bytes.Clone(good), 0), "checksum"},
		{"other registry", encoded(t, "/other", one(t)), "want a snapshot of the registry /registry, found one of /other"},
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

// sealed returns a file with that body. A checksum proves that a file is as it
// was written, not that the writer was sound.
func sealed(body []byte) []byte {
	data := append(append([]byte(magic), formatVersion), body...)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

func TestWrongBody(t *testing.T) {
	good := encoded(t, "/registry", one(t))
	body := good[bodyStart : len(good)-sha256.Size]
	if s, err := decode(sealed(body)); err != nil {
		t.Fatalf("got %v and %v: else this tests nothing", s, err)
	}
	for i := range body {
		if s, err := decode(sealed(body[:i])); err == nil || s != nil {
			t.Errorf("the first %d of %d bytes give %v and %v, want an error", i, len(body), s, err)
		}
	}
	for name, body := range map[string][]byte{
		"a byte more":   append(bytes.Clone(body), 0),
		"unknown kind":  append(bytes.Clone(body[:len(body)-1]), 99, 0, 0, 0, 0),
		"kind too high": append(bytes.Clone(body[:len(body)-1]), 0x81, 2, 0, 0, 0, 0),
		"empty record":  append(bytes.Clone(body[:len(body)-1]), byte(registry.KindPod), 0, 1, 'a', 0, 0),
	} {
		if s, err := decode(sealed(body)); err == nil || s != nil {
			t.Errorf("%s: got %v and %v, want an error", name, s, err)
		}
	}
}

func FuzzDecodeBody(f *testing.F) {
	good := encoded(f, "/registry", one(f))
	f.Add(good[bodyStart : len(good)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, err := decode(sealed(body)); (s == nil) == (err == nil) {
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
	h = start(t, client, withFile(file), withSilence(patience))
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
