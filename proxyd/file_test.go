package proxyd

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	c := DefaultConfig()
	err := Load(c.Settings(), "proxyd.yaml", []byte(`
# where etcd is
etcd-endpoints: [http://a:2379, http://b:2379]
cluster-cidr: 10.1.0.0/16
public-ip-ranges:
- 198.51.100.0/24
- 2001:db8::/64
masquerade-all: true
full-sync-period: 1m
healthz-listen: ""
`))
	want := DefaultConfig()
	want.Etcd.Endpoints = []string{"http://a:2379", "http://b:2379"}
	want.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	want.PublicIPRanges = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/64")}
	want.MasqueradeAll, want.FullSyncPeriod, want.HealthzListen = true, time.Minute, ""
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, %v\nwant %+v", c, err, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"unknown key", "min-sync: 5ms", "f.yaml: min-sync: no such setting; want announce-interfaces, announce-settle, announce-ttl,"},
		{"wrong value", "min-sync-period: soon", `f.yaml: min-sync-period: "soon": want a duration such as 5ms or 10m`},
		{"number for a duration", "min-sync-period: 5", `f.yaml: min-sync-period: "5": want a duration such as 5ms or 10m`},
		{"word for a toggle", "masquerade-all: maybe", `f.yaml: masquerade-all: "maybe": want true or false`},
		{"list for a word", "snapshot: [a, b]", "f.yaml: snapshot: want one value, a string, not a list"},
		{"mapping for a word", "snapshot: {a: b}", "f.yaml: snapshot: want string"},
		{"nothing for a word", "snapshot:", "f.yaml: snapshot: want string"},
		{"number in a list", "cluster-cidr: [10]", "f.yaml: cluster-cidr: 10: want a list of CIDRs"},
		{"wrong network in a list", "cluster-cidr: [10.0.0.0/8, ten]", `f.yaml: cluster-cidr: "ten": want networks such as 10.244.0.0/16`},
		{"word for a number", "api-max-header: much", `f.yaml: api-max-header: "much": want a whole number`},
		{"twice", "snapshot: a\nsnapshot: b", `f.yaml: want YAML, one "setting: value" a line: `},
		{"not a mapping", "- a", `f.yaml: want YAML, one "setting: value" a line: `},
		{"not YAML", "{", `f.yaml: want YAML, one "setting: value" a line: `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			err := Load(c.Settings(), "f.yaml", []byte(tt.content))
			if !strings.HasPrefix(message(err), tt.want) || strings.Contains(message(err), "\n") {
				t.Errorf("error %q\nwant %q", message(err), tt.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("cluster-cidr: [10.0.0.0/8]\nmasquerade-all: true")
	f.Add("min-sync-period: 5ms")
	f.Fuzz(func(t *testing.T, content string) {
		c := DefaultConfig()
		if err := Load(c.Settings(), "f.yaml", []byte(content)); err != nil && !strings.HasPrefix(err.Error(), "f.yaml: ") {
			t.Errorf("error %q does not name the file", err)
		}
	})
}
