package pool

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// bookOf returns the book of some pools, "name: addresses" with " for NS",
// " manual" or " first" behind, and claims, "address: service…": a service is
// NS/NAME, with a minus before it where it is gone, and /KEY:PORT behind where
// it shares.
func bookOf(t *testing.T, pools, claims []string) *Book {
	t.Helper()
	u := Update{Anew: true, Pools: map[string]*Pool{}, Claims: map[netip.Addr]*Claim{}}
	for _, text := range pools {
		p := &Pool{Revision: 1}
		var rest string
		p.Name, rest, _ = strings.Cut(text, ": ")
		rest, p.Manual = strings.CutSuffix(rest, " manual")
		rest, first := strings.CutSuffix(rest, " first")
		if first {
			p.Priority = 1
		}
		rest, ns, ok := strings.Cut(rest, " for ")
		if ok {
			p.Namespaces = strings.Fields(ns)
		}
		for _, text := range strings.Fields(rest) {
			r, err := ParseRange(text)
			if err != nil {
				t.Fatal(err)
			}
			p.Ranges = append(p.Ranges, r)
		}
		u.Pools[p.Name] = p
	}
	for _, text := range claims {
		addr, rest, _ := strings.Cut(text, ": ")
		c := &Claim{Addr: netip.MustParseAddr(addr), Revision: 2}
		for i, text := range strings.Fields(rest) {
			text, gone := strings.CutPrefix(text, "-")
			h := holderOf(text)
			if gone {
				h.Gone = time.Unix(int64(len(u.Claims)*10+i+1), 0)
			}
			c.Holders = append(c.Holders, h)
		}
		u.Claims[c.Addr] = c
	}
	b := NewBook()
	b.Apply(u)
	for a, c := range b.claims {
		if p := b.PoolOf(a); p != nil {
			c.Pool = p.Name
		}
	}
	return b
}

func holderOf(text string) Holder {
	parts := strings.Split(text, "/")
	h := Holder{Namespace: parts[0], Name: parts[1], Ports: []string{"80/TCP"}}
	if len(parts) > 2 {
		var port string
		h.Share, port, _ = strings.Cut(parts[2], ":")
		h.Ports = []string{port + "/TCP"}
	}
	return h
}

func addrsIn(text string) []netip.Addr {
	var list []netip.Addr
	for _, one := range strings.Fields(text) {
		list = append(list, netip.MustParseAddr(one))
	}
	return list
}

func TestChoose(t *testing.T) {
	v4, v6 := true, false
	public := []string{"public: 203.0.113.1-203.0.113.3 2001:db8::1"}
	tests := []struct {
		name          string
		pools, claims []string
		holder        string // ns/web where empty
		families      []bool
		wanted, given string
		has, listed   string
		overGone      bool
		want, problem string
	}{
		{name: "the first that is free", pools: public, claims: []string{"203.0.113.1: ns/a"}, want: "203.0.113.2"},
		{name: "one of each family", pools: public, families: []bool{v6, v4}, want: "2001:db8::1 203.0.113.1"},
		{name: "the family that there is", pools: []string{"six: 2001:db8::1"}, want: "2001:db8::1"},
		{name: "the family that it holds", pools: public, claims: []string{"2001:db8::1: ns/web"}, want: "2001:db8::1"},
		{name: "one family is better than none", pools: []string{"six: 2001:db8::1"}, families: []bool{v4, v6}, want: "2001:db8::1", problem: "no pool gives IPv4 addresses to namespace ns"},
		{name: "what it holds", pools: public, claims: []string{"203.0.113.3: ns/web"}, want: "203.0.113.3"},
		{name: "what it held before it was deleted", pools: public, claims: []string{"203.0.113.3: -ns/web"}, want: "203.0.113.3"},
		{name: "what no pool offers any more", pools: public, claims: []string{"198.51.100.1: ns/web"}, want: "203.0.113.1"},
		{name: "what the pool offers to others now", pools: []string{"public: 203.0.113.1 for blog", "more: 198.51.100.1"}, claims: []string{"203.0.113.1: ns/web"}, want: "198.51.100.1"},
		{name: "a manual pool's, which it holds", pools: []string{"public: 203.0.113.1 manual", "more: 198.51.100.1"}, claims: []string{"203.0.113.1: ns/web"}, want: "203.0.113.1"},
		{name: "what stands in it", pools: public, has: "198.51.100.9 203.0.113.3", want: "203.0.113.3"},
		{name: "what stands in it and is another's", pools: public, has: "203.0.113.1", claims: []string{"203.0.113.1: ns/a"}, want: "203.0.113.2"},
		{name: "what stands in others", pools: public, has: "203.0.113.1", listed: "203.0.113.1 203.0.113.2", want: "203.0.113.3"},

		{name: "what it asks for", pools: public, wanted: "203.0.113.3", claims: []string{"203.0.113.1: ns/web"}, want: "203.0.113.3"},
		{name: "what it asks for of a manual pool", pools: []string{"m: 203.0.113.1 manual"}, wanted: "203.0.113.1", want: "203.0.113.1"},
		{name: "what it asks for, and the other family", pools: public, wanted: "203.0.113.3", families: []bool{v4, v6}, want: "203.0.113.3 2001:db8::1"},
		{name: "what it asks for of a family that it hasn't", pools: public, wanted: "2001:db8::1", families: []bool{v4}, want: "2001:db8::1 203.0.113.1"},
		{name: "both that it asks for", pools: public, wanted: "2001:db8::1 203.0.113.3", families: []bool{v4, v6}, want: "2001:db8::1 203.0.113.3"},
		{name: "two of a family", pools: public, wanted: "203.0.113.3 203.0.113.2", want: "203.0.113.3", problem: "address 203.0.113.2: want at most one of each family"},
		{name: "what others hold", pools: public, wanted: "203.0.113.3", claims: []string{"203.0.113.3: ns/a"}, problem: "address 203.0.113.3: service ns/a holds it"},
		{name: "what others hold, while it holds one", pools: public, wanted: "203.0.113.3", claims: []string{"203.0.113.3: ns/a", "203.0.113.1: ns/web"}, want: "203.0.113.1", problem: "address 203.0.113.3: service ns/a holds it"},
		{name: "what is in no pool", pools: public, wanted: "198.51.100.1", problem: "address 198.51.100.1: it is in no pool"},
		{name: "what is not for it", pools: []string{"blogs: 203.0.113.1 for blog"}, wanted: "203.0.113.1", problem: "address 203.0.113.1: pool blogs is not for namespace ns"},
		{name: "what is kept for another", pools: public, wanted: "203.0.113.3", claims: []string{"203.0.113.3: -ns/a"}, problem: "address 203.0.113.3: it is still kept for service ns/a"},
		{name: "what is kept for another, if that may be", pools: public, wanted: "203.0.113.3", claims: []string{"203.0.113.3: -ns/a"}, overGone: true, want: "203.0.113.3"},

		{name: "what a hook gave", pools: public, given: "198.51.100.1 203.0.113.2", want: "198.51.100.1 203.0.113.2"},
		{name: "what a hook gave to two", given: "198.51.100.1", claims: []string{"198.51.100.1: ns/a"}, problem: "address 198.51.100.1: service ns/a holds it"},

		{name: "the pool that comes first", pools: []string{"a: 203.0.113.1", "b: 203.0.113.2 first"}, want: "203.0.113.2"},
		{name: "the pool that names the namespace", pools: []string{"a: 203.0.113.1", "b: 203.0.113.2 for ns"}, want: "203.0.113.2"},
		{name: "the first pool by name", pools: []string{"b: 203.0.113.2", "a: 203.0.113.1"}, want: "203.0.113.1"},
		{name: "the next pool where one is full", pools: []string{"a: 203.0.113.1", "b: 203.0.113.2"}, claims: []string{"203.0.113.1: ns/a"}, want: "203.0.113.2"},
		{name: "no pools", problem: "there are no address pools: see svcctl pools"},
		{name: "no pool for it", pools: []string{"a: 203.0.113.1 for blog", "m: 203.0.113.2 manual"}, problem: "no pool gives IPv4 addresses to namespace ns"},
		{name: "full pools", pools: []string{"a: 203.0.113.1", "b: 203.0.113.2"}, claims: []string{"203.0.113.1: ns/a", "203.0.113.2: -ns/b"},
			problem: "pool a is full: all its 1 IPv4 addresses are held, pool b is full: all its 1 IPv4 addresses are held"},
		{name: "full pools, where what is kept longest may go", pools: []string{"a: 203.0.113.1-203.0.113.3"},
			claims: []string{"203.0.113.1: ns/a", "203.0.113.2: -ns/b", "203.0.113.3: -ns/c"}, overGone: true, want: "203.0.113.2"},
		{name: "a claim that nobody can read", pools: []string{"a: 203.0.113.1-203.0.113.2"}, claims: []string{"203.0.113.1: "}, want: "203.0.113.2"},

		{name: "shared", pools: public, holder: "ns/web/key:443", claims: []string{"203.0.113.2: ns/a/key:80"}, want: "203.0.113.2"},
		{name: "shared by more than two", pools: public, holder: "ns/web/key:443", claims: []string{"203.0.113.2: ns/a/key:80 ns/b/key:81"}, want: "203.0.113.2"},
		{name: "not unasked of a manual pool", pools: []string{"m: 203.0.113.2 manual", "more: 198.51.100.1"}, holder: "ns/web/key:443", claims: []string{"203.0.113.2: ns/a/key:80"}, want: "198.51.100.1"},
		{name: "not with another key", pools: public, holder: "ns/web/key:443", claims: []string{"203.0.113.2: ns/a/other:80"}, want: "203.0.113.1"},
		{name: "not on the same port", pools: public, holder: "ns/web/key:80", claims: []string{"203.0.113.2: ns/a/key:80"}, want: "203.0.113.1"},
		{name: "not on the same port as the last of several", pools: public, holder: "ns/web/key:81", claims: []string{"203.0.113.2: ns/a/key:80 ns/b/key:81"}, want: "203.0.113.1"},
		{name: "not if only one asks for it", pools: public, holder: "ns/web/key:443", claims: []string{"203.0.113.2: ns/a"}, want: "203.0.113.1"},
		{name: "shared where it is asked for", pools: public, holder: "ns/web/key:80", wanted: "203.0.113.2", claims: []string{"203.0.113.2: ns/a/key:80"},
			problem: "address 203.0.113.2: service ns/a, with which it would be shared, has port 80/TCP, too"},
		{name: "its ports changed, and meet another's", pools: public, holder: "ns/web/key:80", claims: []string{"203.0.113.2: ns/a/key:80 ns/web/key:81"}, want: "203.0.113.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.holder == "" {
				tt.holder = "ns/web"
			}
			listed := addrsIn(tt.listed)
			got := bookOf(t, tt.pools, tt.claims).Choose(Request{
				Families: tt.families, Wanted: addrsIn(tt.wanted), Given: addrsIn(tt.given), Has: addrsIn(tt.has),
				Holder: holderOf(tt.holder), OverGone: tt.overGone,
				Listed: func(a netip.Addr) bool {
					for _, one := range listed {
						if one == a {
							return true
						}
					}
					return false
				},
			})
			text := strings.Trim(fmt.Sprint(got.Addrs), "[]")
			if problem := strings.Join(got.Problems, "; "); text != tt.want || problem != tt.problem {
				t.Errorf("%q, problem %q;\nwant %q, problem %q", text, problem, tt.want, tt.problem)
			}
		})
	}
}

// A book says who holds what whatever the order of the news.
func TestBook(t *testing.T) {
	web, a := registry.Key{Namespace: "ns", Name: "web"}, netip.MustParseAddr("203.0.113.1")
	claim := func(revision int64, holders ...string) *Claim {
		c := &Claim{Addr: a, Pool: "public", Revision: revision}
		for _, text := range holders {
			c.Holders = append(c.Holders, holderOf(text))
		}
		return c
	}
	b := bookOf(t, []string{"public: 203.0.113.1"}, nil)
	apply := func(c *Claim) { b.Apply(Update{Claims: map[netip.Addr]*Claim{a: c}}) }
	want := func(when, held string, assigned bool, used int) {
		t.Helper()
		if got := strings.Trim(fmt.Sprint(b.Held(web)), "[]"); got != held || b.Assigned(web, a) != assigned || b.Used()["public"] != used {
			t.Errorf("%s: %q, assigned %v, %d used", when, got, b.Assigned(web, a), b.Used()["public"])
		}
	}
	apply(claim(5, "ns/web"))
	want("claimed", "203.0.113.1", true, 1)
	apply(claim(4, "ns/other"))
	want("older news", "203.0.113.1", true, 1)
	apply(claim(6, "ns/other"))
	want("another's", "", false, 1)
	apply(claim(7, "ns/other", "ns/web"))
	want("shared", "203.0.113.1", true, 1)
	gone := claim(8, "ns/web")
	gone.Holders[0].Gone = time.Unix(1, 0)
	apply(gone)
	want("gone", "203.0.113.1", false, 1)
	for k, at := range b.Gone() {
		if k != web || at != time.Unix(1, 0) {
			t.Errorf("gone: %v, %v", k, at)
		}
	}
	apply(nil)
	want("free", "", false, 0)
	for range b.Gone() {
		t.Error("nobody is gone")
	}
	b.Apply(Update{Anew: true, Broken: []string{"public"}, Claims: map[netip.Addr]*Claim{a: claim(9, "ns/web")}})
	if want("anew", "203.0.113.1", true, 1); b.Pool("public") == nil {
		t.Error("a pool that can't be read isn't what it was")
	}
	b.Apply(Update{Anew: true})
	if want("nothing", "", false, 0); b.Pool("public") != nil {
		t.Error("a pool that is gone stands")
	}
}

func TestClaims(t *testing.T) {
	c := &Claim{Addr: netip.MustParseAddr("203.0.113.1"), Pool: "public"}
	shared := c.With(holderOf("ns/web/key:80")).With(holderOf("ns/api/key:81"))
	value, err := shared.Encode()
	want := `{"pool":"public","holders":[{"namespace":"ns","name":"api","ports":["81/TCP"],"share":"key"},{"namespace":"ns","name":"web","ports":["80/TCP"],"share":"key"}]}`
	if diff := cmp.Diff(want, string(value)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	again, err := decodeClaim(c.Addr, value, 7)
	if err != nil || !again.Equal(shared) || again.Revision != 7 {
		t.Errorf("%+v, %v", again, err)
	}
	if broken, err := decodeClaim(c.Addr, []byte(`{"holders": [{"namespace": "ns"}, 1]}`), 7); err == nil || len(broken.Holders) != 0 {
		t.Errorf("%+v, %v", broken, err)
	}
	web := holderOf("ns/web/key:80")
	web.Gone = time.Unix(1, 0)
	taken := shared.With(web).Taken(holderOf("ns/new/key:80"))
	if got, _ := json.Marshal(taken.Holders); !strings.Contains(string(got), `"api"`) || strings.Contains(string(got), `"web"`) {
		t.Errorf("who is gone and in the way stays: %s", got)
	}
	if kept := shared.With(web).Taken(holderOf("ns/new/key:82")); kept.Holder(web.Key()) == nil {
		t.Error("who is gone and in nobody's way goes")
	}
}
