package external

import (
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

func TestParseCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		annotations []string // names without what all begin with
		want        string   // or a part of the error
	}{
		{nil, "none"},
		{[]string{"check", "none"}, "none"},
		{[]string{"interval", "5s"}, "none"},
		{[]string{"check", "tcp"}, "tcp every 10s, timeout 2s, rise 2, fall 3"},
		{[]string{"check", "dns", "interval", "3"}, "dns every 3s, timeout 1.5s, rise 2, fall 3"},
		{[]string{"check", "http://:8080/healthz?a=b", "interval", "1m", "timeout", "5s", "rise", "1", "fall", "5"}, "http://:8080/healthz?a=b every 1m0s, timeout 5s, rise 1, fall 5"},
		{[]string{"check", "https:///"}, "https:/// every 10s, timeout 2s, rise 2, fall 3"},
		{[]string{"check", "http://"}, "http:/// every 10s, timeout 2s, rise 2, fall 3"},
		{[]string{"check", "TCP"}, `svcreg.io/health-check: "TCP": want tcp,`},
		{[]string{"check", "http:/healthz"}, `svcreg.io/health-check: "http:/healthz": want tcp,`},
		{[]string{"check", "http://example.com/"}, "want tcp,"},
		{[]string{"check", "http://me@:80/"}, "want tcp,"},
		{[]string{"check", "ftp://:80/"}, "want tcp,"},
		{[]string{"check", "http://:0/"}, "want a port from 1 to 65535"},
		{[]string{"check", "http://:65536/"}, "want a port from 1 to 65535"},
		{[]string{"check", "tcp", "interval", "10ms"}, `svcreg.io/health-interval: "10ms": want 100ms to 1h0m0s`},
		{[]string{"check", "tcp", "interval", "9999999999999"}, `want 100ms to 1h0m0s`},
		{[]string{"check", "tcp", "timeout", "6s"}, `svcreg.io/health-timeout: "6s": want 1ms to 5s`},
		{[]string{"check", "tcp", "timeout", "soon"}, `svcreg.io/health-timeout: "soon"`},
		{[]string{"check", "tcp", "rise", "0"}, `svcreg.io/health-rise: "0": want 1 to 100`},
		{[]string{"check", "tcp", "fall", "x"}, `svcreg.io/health-fall: "x": want 1 to 100`},
	}
	for _, tt := range tests {
		annotations := map[string]string{}
		for i := 0; i < len(tt.annotations); i += 2 {
			annotations["svcreg.io/health-"+tt.annotations[i]] = tt.annotations[i+1]
		}
		got, err := DescribeCheck(annotations)
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: error %v, want %s", tt.annotations, err, tt.want)
			}
			continue
		}
		if got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.annotations, got, tt.want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	good := Config{Client: &clientv3.Client{}, Layout: layout, Node: "a", Resolver: "[2001:db8::1]:53", PanicShare: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Config){
		"Client":          func(c *Config) { c.Client = nil },
		"Layout":          func(c *Config) { c.Layout = codec.Layout{} },
		"Node":            func(c *Config) { c.Node = "" },
		"resolver":        func(c *Config) { c.Resolver = "192.0.2.1" },
		"TTL from 1h":     func(c *Config) { c.MinTTL, c.MaxTTL = time.Hour, time.Minute },
		"panic share 1.5": func(c *Config) { c.PanicShare = 1.5 },
		"checks at once":  func(c *Config) { c.MaxChecks = -1 },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
