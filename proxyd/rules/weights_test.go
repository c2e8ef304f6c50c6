package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// weighted returns the manifest of a service with the portal IP 10.0.0.1 and
// weights.
func weighted(weights, spec string) string {
	return fmt.Sprintf("---\n{kind: Service, apiVersion: v1, metadata: {namespace: ns, name: a, annotations: {svcreg.io/weights: %q}}, spec: {clusterIP: 10.0.0.1, %s}}\n", weights, spec)
}

func TestWeights(t *testing.T) {
	three := endpoints("a", "{port: 8080}", "10.1.0.1", "10.1.0.2", "10.1.0.3")
	pods := "---\n" + `{kind: Endpoints, apiVersion: v1, metadata: {namespace: ns, name: a}, subsets: [{ports: [{port: 8080}], addresses: [
		{ip: 10.1.0.1, hostname: db-0, targetRef: {kind: Pod, namespace: ns, name: web-0}}, {ip: 10.1.0.2, targetRef: {kind: Pod, namespace: ns, name: web-1}}]}]}` + "\n"
	twice := "---\n" + `{kind: Endpoints, apiVersion: v1, metadata: {namespace: ns, name: a}, subsets: [{ports: [{port: 8080}], addresses: [
		{ip: 10.1.0.1, targetRef: {kind: Pod, namespace: ns, name: web-0}}, {ip: 10.1.0.1, targetRef: {kind: Pod, namespace: ns, name: web-1}},
		{ip: 10.1.0.1, targetRef: {kind: Pod, namespace: ns, name: web-2}}, {ip: 10.1.0.2}]}]}` + "\n"
	to := func(backends string) []string { return []string{"10.0.0.1:80/TCP ns/a → " + backends} }
	away := sliceOf("a", "IPv4", located("10.1.0.1", "", "", isReady), located("10.1.0.2", "", "", isAway))
	zones := sliceOf("a", "IPv4", located("10.1.0.1", "n1", "z1", isReady), located("10.1.0.2", "n2", "z2", isReady))
	allAway := sliceOf("a", "IPv4", located("10.1.0.1", "", "", isAway), located("10.1.0.2", "", "", isAway))
	const even, bad = "10.1.0.1:8080 10.1.0.2:8080 10.1.0.3:8080", "ns/a: annotation svcreg.io/weights: "
	runCases(t, []testCase{
		{name: "by address, one that isn't named", manifests: weighted("10.1.0.1=3, 10.1.0.3=2", port80) + three, want: to("10.1.0.1:8080*3 10.1.0.2:8080 10.1.0.3:8080*2")},
		{name: "by hostname and by pod", manifests: weighted("db-0=3\nweb-1=2", port80) + pods, want: to("10.1.0.1:8080*3 10.1.0.2:8080*2")},
		{name: "the most specific counts", manifests: weighted("web-0=9 db-0=8 10.1.0.2=7 web-1=6 10.1.0.2:8080=5 10.1.0.2:8081=4", port80) + pods, want: to("10.1.0.1:8080*8 10.1.0.2:8080*5")},
		{name: "of two names the heavier", manifests: weighted("web-0=2 web-1=5 web-2=3", port80) + twice, want: to("10.1.0.1:8080*5 10.1.0.2:8080")},
		{name: "in all its forms", manifests: weighted("::ffff:10.1.0.1=3, [::ffff:10.1.0.2]:8080=2", port80) + three, want: to("10.1.0.1:8080*3 10.1.0.2:8080*2 10.1.0.3:8080")},
		{name: "as small as can be", manifests: weighted("10.1.0.1=30, 10.1.0.2=60, 10.1.0.3=90", port80) + three, want: to("10.1.0.1:8080 10.1.0.2:8080*2 10.1.0.3:8080*3")},
		{name: "all the same", manifests: weighted("10.1.0.1=7, 10.1.0.2=7, 10.1.0.3=7", port80) + three, want: to(even)},
		{name: "nothing named", manifests: weighted("", port80) + three, want: to(even)},
		{name: "one rests", manifests: weighted("10.1.0.2=0", port80) + three, want: to("10.1.0.1:8080 10.1.0.3:8080")},
		{name: "all rest", manifests: weighted("10.1.0.1=0, 10.1.0.2=0, 10.1.0.3=0", port80) + three, want: to(even)},
		{name: "one rests, the other is going away", manifests: weighted("10.1.0.1=0", port80) + away, want: to("10.1.0.1:8080")},
		{name: "all are going away, one rests", manifests: weighted("10.1.0.1=0, 10.1.0.2=5", port80) + allAway, want: to("10.1.0.2:8080")},
		{name: "one near rests", manifests: weighted("10.1.0.1=0", "trafficDistribution: PreferClose, "+port80) + zones, policy: here, want: to("10.1.0.2:8080")},
		{name: "the only local one rests", manifests: weighted("10.1.0.1=0", "internalTrafficPolicy: Local, "+port80) + zones, policy: here, want: to("10.1.0.1:8080")},
		{name: "weights of those that are chosen only", manifests: weighted("10.1.0.1=3, 10.1.0.2=2", "trafficDistribution: PreferClose, "+port80) + zones, policy: here, want: to("10.1.0.1:8080")},
		{
			name: "each family for itself", manifests: weighted("10.1.0.1=4, 10.1.0.2=2, fd01::1=0", "clusterIPs: [10.0.0.1, 'fd00::1'], "+port80) +
				endpoints("a", "{port: 8080}", "10.1.0.1", "10.1.0.2", "fd01::1"),
			want: []string{"10.0.0.1:80/TCP ns/a → 10.1.0.1:8080*2 10.1.0.2:8080", "[fd00::1]:80/TCP ns/a → [fd01::1]:8080"},
		},
		{name: "no weight", manifests: weighted("10.1.0.1", port80) + three, want: to(even),
			refused: []string{bad + `"10.1.0.1": want ENDPOINT=WEIGHT; its endpoints all weigh the same`}},
		{name: "too heavy", manifests: weighted("10.1.0.2=5 10.1.0.1=1001", port80) + three, want: to(even),
			refused: []string{bad + `"10.1.0.1=1001": want a whole number from 0 to 1000 after the =; its endpoints all weigh the same`}},
		{name: "a fraction", manifests: weighted("10.1.0.1=0.5", port80) + three, want: to(even),
			refused: []string{bad + `"10.1.0.1=0.5": want a whole number from 0 to 1000 after the =; its endpoints all weigh the same`}},
		{name: "negative", manifests: weighted("10.1.0.1=-1", port80) + three, want: to(even),
			refused: []string{bad + `"10.1.0.1=-1": want a whole number from 0 to 1000 after the =; its endpoints all weigh the same`}},
		{name: "twice", manifests: weighted("10.1.0.1=1,::ffff:10.1.0.1=2", port80) + three, want: to(even),
			refused: []string{bad + `"::ffff:10.1.0.1=2": want each endpoint once; its endpoints all weigh the same`}},
		{name: "no name", manifests: weighted("=1", port80) + three, want: to(even),
			refused: []string{bad + `"=1": want an endpoint's address, address:port, hostname or pod before the =; its endpoints all weigh the same`}},
		{name: "JSON", manifests: weighted(`{"10.1.0.1":3}`, port80) + three, want: to(even),
			refused: []string{bad + `"{\"10.1.0.1\":3}": want ENDPOINT=WEIGHT; its endpoints all weigh the same`}},
	})
}

func TestReduce(t *testing.T) {
	many := func(n, first int) string { return fmt.Sprint(first) + strings.Repeat(" 1", n-1) }
	tests := []struct {
		name, weights, want string
		slots               int
	}{
		{"none", "", "", 0},
		{"one", "17", "1", 1},
		{"coprime", "3 5", "3 5", 8},
		{"as many slots as there may be", "1000 24", "125 3", 128},
		{"more than there are slots for", "1000 999 1", "511 511 1", 1023},
		{"more than there are slots for, but not as they come to", "1000 500", "2 1", 3},
		{"unequal", "999 500 1", "681 341 1", 1023},
		{"more backends than slots", many(5000, 1), many(5000, 1), 5000},
		{"more backends than slots, one heavier", many(5000, 1000), many(5000, 1000), 5999},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			backends := backendsOf(tt.weights)
			reduce(backends)
			target := Target{Backends: backends}
			if diff := cmp.Diff(tt.want, weightsOf(backends)); diff != "" {
				t.Errorf("weights (-want +got):\n%s", diff)
			}
			if n := target.Slots(); n != tt.slots {
				t.Errorf("%d slots, want %d", n, tt.slots)
			}
		})
	}
}

// backendsOf returns backends that have those weights.
func backendsOf(weights string) []Backend {
	var backends []Backend
	for _, word := range strings.Fields(weights) {
		var b Backend
		fmt.Sscan(word, &b.Weight)
		backends = append(backends, b)
	}
	return backends
}

func weightsOf(backends []Backend) string {
	var words []string
	for _, b := range backends {
		words = append(words, fmt.Sprint(b.Weight))
	}
	return strings.Join(words, " ")
}

// FuzzWeights has any annotation be either refused, or give each endpoint a
// weight from which a target within its bounds comes.
func FuzzWeights(f *testing.F) {
	for _, seed := range []string{"", "10.1.0.1=3, 10.1.0.9:8080=0\tweb-0=2", "[fd01::1]:80=1000 fd01::1=7", "a=1001", "=", "a==1", "::ffff:10.1.0.1=1", "fe80::1%eth0=5"} {
		f.Add(seed)
	}
	endpoint := &registry.Endpoint{Hostname: "a", Target: registry.Target{Key: registry.Key{Name: "web-0"}}}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parseWeights(text)
		if err != nil {
			return
		}
		var backends []Backend
		for name, weight := range w {
			if weight > MaxWeight {
				t.Fatalf("%q weighs %d", name, weight)
			}
			again, err := parseWeights(fmt.Sprintf("%s=%d", name, weight))
			if err != nil || again[name] != weight {
				t.Fatalf("%q, read again: %v, %v", name, again, err)
			}
			if weight > 0 {
				backends = append(backends, Backend{Weight: weight})
			}
		}
		w.of(endpoint, netip.AddrPort{})
		reduce(backends)
		target := Target{Backends: backends}
		for _, b := range backends {
			if b.Weight < 1 || b.Weight > MaxWeight {
				t.Fatalf("%q comes to %s", text, weightsOf(backends))
			}
		}
		if target.Slots() > max(maxSlots, 2*len(backends)) {
			t.Fatalf("%q comes to %d slots", text, target.Slots())
		}
	})
}
