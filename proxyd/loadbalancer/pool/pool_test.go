package pool

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRange(t *testing.T) {
	tests := []struct{ text, want string }{ // what the range is in short, or the error
		{"203.0.113.0/28", "203.0.113.0/28"},
		{" 203.0.113.2 - 203.0.113.9 ", "203.0.113.2-203.0.113.9"},
		{"203.0.113.4-203.0.113.7", "203.0.113.4/30"},
		{"203.0.113.4", "203.0.113.4"},
		{"2001:db8::100/120", "2001:db8::100/120"},
		{"2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9"},
		{"203.0.113.1/28", "want 203.0.113.0/28: bits of the host are set"},
		{"203.0.113.9-203.0.113.2", "want the lower address first"},
		{"203.0.113.9-2001:db8::1", "want two addresses of one family, such as 203.0.113.2-203.0.113.9"},
		{"203.0.113.9-", "want two addresses of one family, such as 203.0.113.2-203.0.113.9"},
		{"fe80::1%eth0", "want a network such as 203.0.113.0/28, or a range such as 203.0.113.2-203.0.113.9"},
		{"everything", "want a network such as 203.0.113.0/28, or a range such as 203.0.113.2-203.0.113.9"},
		{"126.0.0.0-128.0.0.0", "want addresses outside 127.0.0.0/8, which are loopback"},
		{"0.0.0.0/0", "want addresses outside 0.0.0.0/8, which are of this network"},
		{"ff02::1", "want addresses outside ff00::/8, which are multicast"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			r, err := ParseRange(tt.text)
			got := r.String()
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrefixes(t *testing.T) {
	r, err := ParseRange("203.0.113.2-203.0.113.9")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.Prefixes() {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"203.0.113.2/31", "203.0.113.4/30", "203.0.113.8/31"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The size is how many addresses there are to give away: counted, and given
// away one by one.
func TestSize(t *testing.T) {
	tests := []struct {
		ranges string
		avoid  bool
		want   float64
	}{
		{"203.0.113.0/24", false, 256},
		{"203.0.113.0/24", true, 254},
		{"203.0.113.250-203.0.114.3", true, 8},
		{"203.0.113.255", true, 0},
		{"203.0.113.0", true, 0},
		{"203.0.113.0/31 198.51.100.7", true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.ranges, func(t *testing.T) {
			p := &Pool{AvoidBuggyIPs: tt.avoid}
			for _, text := range strings.Fields(tt.ranges) {
				r, err := ParseRange(text)
				if err != nil {
					t.Fatal(err)
				}
				p.Ranges = append(p.Ranges, r)
			}
			taken := map[netip.Addr]bool{}
			for {
				a, ok := p.free(true, func(a netip.Addr) bool { return taken[a] })
				if !ok {
					break
				}
				if taken[a] = true; !p.Offers(a) {
					t.Errorf("%v is given away and not offered", a)
				}
			}
			if got := p.Size(true); got != tt.want || float64(len(taken)) != tt.want {
				t.Errorf("size %v, %d given away, want %v", got, len(taken), tt.want)
			}
		})
	}
	wide := &Pool{Ranges: []Range{rangeOf(netip.MustParsePrefix("2001:db8::/64")), rangeOf(netip.MustParsePrefix("2001:db8:1::/126"))}}
	if got := wide.Size(false); got != 0x1p64+4 || wide.Size(true) != 0 {
		t.Errorf("IPv6: %v", got)
	}
}

const whole = `{"kind":"AddressPool","apiVersion":"svcreg.io/v1","metadata":{"name":"public"},"spec":{"addresses":["203.0.113.0/28","2001:db8::1-2001:db8::9"],"namespaces":["shop"],"avoidBuggyIPs":true,"autoAssign":false,"priority":10}}`

// What is read is what is stored.
func TestEncode(t *testing.T) {
	pools, err := Parse("f.yaml", []byte(whole+"\n---\nkind: AddressPool\napiVersion: svcreg.io/v1\nmetadata: {name: plain}\nspec: {addresses: [203.0.113.16]}\n"))
	if err != nil || len(pools) != 2 {
		t.Fatalf("%v, %v", pools, err)
	}
	for i, want := range []string{whole, `{"kind":"AddressPool","apiVersion":"svcreg.io/v1","metadata":{"name":"plain"},"spec":{"addresses":["203.0.113.16"]}}`} {
		got, err := pools[i].Encode()
		if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if !pools[0].Manual || pools[1].Manual || pools[0].Priority != 10 || pools[0].Admits("blog") || !pools[1].Admits("blog") {
		t.Errorf("%+v, %+v", pools[0], pools[1])
	}
	later := strings.Replace(whole, `"priority"`, `"later":1,"priority"`, 1)
	if p, err := Decode("public", []byte(later)); err != nil || p.Priority != 10 {
		t.Errorf("a field of later: %v, %v", p, err)
	}
}

func TestParseRefuses(t *testing.T) {
	pool := func(name, spec string) string {
		return `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "` + name + `"}, "spec": {` + spec + `}}`
	}
	tests := []struct{ text, want string }{
		{"", "f.json: no pools in it"},
		{"[]", "f.json: document 1 (line 1): []: want an object"},
		{`{"kind": "Service"}`, `f.json: kind "Service" of apiVersion "": want AddressPool of svcreg.io/v1: not a pool`},
		{pool("", `"addresses": ["203.0.113.1"]`), "f.json: AddressPool : metadata.name: missing: want at most 63 lower-case letters"},
		{pool("a/b", `"addresses": ["203.0.113.1"]`), "f.json: AddressPool a/b: metadata.name: a/b: want at most 63 lower-case letters"},
		{pool("a", ``), "f.json: AddressPool a: spec.addresses: missing: want a list of networks and ranges"},
		{pool("a", `"addresses": "203.0.113.1"`), "f.json: AddressPool a: spec.addresses: a string: want a list"},
		{pool("a", `"addresses": ["203.0.113.1"], "priority": "high"`), "f.json: AddressPool a: spec.priority: a string: want a whole number"},
		{pool("a", `"addresses": ["203.0.113.1"], "namespace": "b"`), "f.json: AddressPool a: namespace: not a field of a pool"},
		{pool("a", `"addresses": ["203.0.113.1"], "namespaces": ["B"]`), "f.json: AddressPool a: spec.namespaces[0]: B: want a namespace"},
		{pool("a", `"addresses": ["203.0.113.1", "x"]`), `f.json: AddressPool a: spec.addresses[1]: "x": want a network such as`},
		{pool("a", `"addresses": ["203.0.113.0/28", "203.0.113.1"]`), "f.json: AddressPool a: spec.addresses[1]: 203.0.113.1: want addresses that aren't in 203.0.113.0/28 already"},
		{pool("a", `"addresses": ["203.0.113.1"]`) + pool("a", `"addresses": ["203.0.113.2"]`), "f.json: AddressPool a: metadata.name: a: want a pool once"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			pools, err := Parse("f.json", []byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || pools != nil {
				t.Errorf("%v, %v", pools, err)
			}
		})
	}
	if _, err := Decode("b", []byte(whole)); err == nil || !strings.Contains(err.Error(), "want b, as the key says") {
		t.Errorf("another name than the key's: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, data []byte) {
		pools, err := Parse("f", data)
		if err != nil {
			return
		}
		for _, p := range pools {
			value, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(p.Name, value)
			if diff := cmp.Diff(p, again, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
	})
}
