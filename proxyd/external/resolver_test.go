package external

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Without a resolver given, those of the system are asked, in their order.
func TestSystemResolver(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	for content, want := range map[string][]string{
		"search example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n": {"192.0.2.53:53", "[2001:db8::53]:53"},
		"search example.org\n": nil,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := serversIn(file)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v; want %v", content, got, err, want)
		}
	}
	if _, err := serversIn(file + "-none"); err == nil {
		t.Error("a file that isn't there names servers")
	}
	system, failed := serversIn("/etc/resolv.conf")
	if got, err := newResolver("").servers(); !slices.Equal(got, system) || (err == nil) != (failed == nil) {
		t.Errorf("%v, %v; want those of /etc/resolv.conf, %v", got, err, system)
	}
	if got, err := newResolver("192.0.2.1:5353").servers(); err != nil || !slices.Equal(got, []string{"192.0.2.1:5353"}) {
		t.Errorf("the one that is given: %v, %v", got, err)
	}
}
