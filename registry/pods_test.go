package registry

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// All pods at an address count until they finish.
func TestPodKeysByIP(t *testing.T) {
	pod := func(namespace, name, addr string, finished bool) *Pod {
		return &Pod{
			Meta: Meta{Kind: KindPod, Key: Key{Namespace: namespace, Name: name}},
			IPs:  []netip.Addr{netip.MustParseAddr(addr)}, Finished: finished,
		}
	}
	s := Build(1, pod("a", "one", "192.0.2.1", false), pod("a", "done", "192.0.2.1", true),
		pod("b", "one", "192.0.2.1", false), pod("b", "two", "192.0.2.2", false), pod("b", "done", "192.0.2.3", true))
	for addr, want := range map[string][]Key{
		"192.0.2.1": {{Namespace: "a", Name: "one"}, {Namespace: "b", Name: "one"}},
		"192.0.2.2": {{Namespace: "b", Name: "two"}},
		"192.0.2.3": nil,
		"192.0.2.4": nil,
	} {
		got := slices.SortedFunc(s.PodKeysByIP(netip.MustParseAddr(addr)), Key.Compare)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", addr, diff)
		}
	}
	for namespace, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if got := s.HasPods(namespace); got != want {
			t.Errorf("%s has pods: %t", namespace, got)
		}
	}
	after, _ := s.Apply(2, Delete(Ref{KindPod, Key{Namespace: "a", Name: "one"}}), Delete(Ref{KindPod, Key{Namespace: "a", Name: "done"}}))
	if after.HasPods("a") || !after.HasPods("b") {
		t.Error("a namespace has pods that are gone, or others lost them")
	}
	for range s.PodKeysByIP(netip.MustParseAddr("192.0.2.1")) {
		break // as nobody yields after that
	}
}
