package apilisten_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apilisten"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

const rules = `
rules:
- users: [alice]
  namespaces: [shop, test-*]
  services: [web, api-*]
  registry: read
- groups: [ops]
  services: ["*"]
  pods: [web-*]
  nodes: [node-1]
  registry: write
- groups: ["system:authenticated"]
  namespaces: [public]
  services: ["*"]
- services: [status]
  namespaces: [open]
`

// allowed reports what the rules grant to whoever shows a token; "" for nobody.
func TestRules(t *testing.T) {
	guard, err := apilisten.NewGuard(file(t, "rules.yaml", rules), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	service := func(ns, name string) registry.Ref {
		return registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: ns, Name: name}}
	}
	pod := service("shop", "web-0")
	pod.Kind = registry.KindPod
	node := func(name string) registry.Ref {
		return registry.Ref{Kind: registry.KindNode, Key: registry.Key{Name: name}}
	}
	proxied := map[string]registry.Ref{
		"shop/web": service("shop", "web"), "shop/api-1": service("shop", "api-1"), "shop/other": service("shop", "other"),
		"test-1/web": service("test-1", "web"), "test/web": service("test", "web"), "public/any": service("public", "any"),
		"open/status": service("open", "status"), "pod": pod, "node-1": node("node-1"), "node-2": node("node-2"),
	}
	tests := map[string]struct{ proxy, reach string }{
		"alice": {"open/status public/any shop/api-1 shop/web test-1/web", "read:shop read:test-1"},
		"olga":  {"node-1 open/status pod public/any shop/api-1 shop/other shop/web test-1/web test/web", "read: read:other read:shop read:test-1 write: write:other write:shop write:test-1"},
		"bob":   {"open/status public/any", ""},
		"":      {"open/status", ""},
	}
	var got struct{ proxy, reach []string }
	h := func(_ http.ResponseWriter, r *http.Request) {
		got.proxy, got.reach = nil, nil
		for _, name := range []string{"node-1", "node-2", "open/status", "pod", "public/any", "shop/api-1", "shop/other", "shop/web", "test-1/web", "test/web"} {
			if guard.MayProxy(r, proxied[name]) {
				got.proxy = append(got.proxy, name)
			}
		}
		for _, write := range []bool{false, true} {
			for _, ns := range []string{"", "other", "shop", "test-1"} {
				if guard.MayReach(r, ns, write) {
					got.reach = append(got.reach, map[bool]string{false: "read:", true: "write:"}[write]+ns)
				}
			}
		}
	}
	tokens := file(t, "tokens.csv", "t-alice,alice,1\nt-olga,olga,2,ops\nt-bob,bob,3\n")
	known := serve(t, h, func(c *apilisten.Config) { c.TokenFile = tokens })
	nobody := serve(t, h, nil)
	for user, want := range tests {
		t.Run(user, func(t *testing.T) {
			to := known
			if user == "" {
				to = nobody
			}
			if code, body := ask(t, http.DefaultClient, "GET", "http://"+to.Addr().String(), bearer("Bearer t-"+user)); code != 200 {
				t.Fatalf("%d %s", code, body)
			}
			if have := strings.Join(got.proxy, " "); have != want.proxy {
				t.Errorf("may proxy to %s\nwant %s", have, want.proxy)
			}
			if have := strings.Join(got.reach, " "); have != want.reach {
				t.Errorf("may reach %s\nwant %s", have, want.reach)
			}
		})
	}
}

// Without a file all may do all.
func TestNoRules(t *testing.T) {
	guard, err := apilisten.NewGuard("", nil)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil || !guard.MayProxy(r, registry.Ref{Kind: registry.KindNode}) || !guard.MayReach(r, "", true) {
		t.Errorf("%v; something is forbidden", err)
	}
}

func TestRulesRefuse(t *testing.T) {
	for content, want := range map[string]string{
		"":                                   `want "rules:" and at least one: without any, nobody may do anything`,
		"rules: []":                          `want "rules:" and at least one: without any, nobody may do anything`,
		"allow: []":                          `error unmarshaling JSON: while decoding JSON: json: unknown field "allow"`,
		"rules: [{users: [a]}]":              "rules[0]: it grants nothing: want services, pods, nodes or registry",
		"rules: [{service: [a]}]":            `error unmarshaling JSON: while decoding JSON: json: unknown field "service"`,
		"rules: [{registry: all}]":           `rules[0]: registry: "all": want read or write`,
		"rules: [{services: [a*b]}]":         `rules[0]: services: "a*b": want a name, a name's beginning and *, or *`,
		"rules: [{services: ['']}]":          `rules[0]: services: "": want a name, a name's beginning and *, or *`,
		"rules: [{services: [a], users: []}": "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'",
		"rules: [{nodes: [a], users: []}]":   "rules[0]: users: want at least one, or leave it out for all",
		"rules: [{nodes: [a], groups: []}]":  "rules[0]: groups: want at least one, or leave it out for all",
		"rules: [{pods: [a], namespaces: []}, {registry: all}]": "rules[0]: namespaces: want at least one, or leave it out for all",
	} {
		name := file(t, "rules.yaml", content)
		_, err := apilisten.NewGuard(name, slog.Default())
		if got, _ := strings.CutPrefix(message(err), "allow-file: "+name+": "); got != want {
			t.Errorf("%s: %s\nwant %s", content, got, want)
		}
	}
}

// The log of writes names who asked; reads aren't in it.
func TestAuditWrites(t *testing.T) {
	var log registrytest.Log
	audit := apilisten.Audit(slog.New(slog.NewJSONHandler(&log, nil)))
	h := apilisten.AuditWrites(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) }), audit)
	tokens := file(t, "tokens.csv", "t-alice,alice,1\n")
	r := serve(t, h.ServeHTTP, func(c *apilisten.Config) { c.TokenFile = tokens })
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		if code, body := ask(t, http.DefaultClient, method, "http://"+r.Addr().String()+"/a%2Fb", bearer("Bearer t-alice")); code != http.StatusConflict {
			t.Errorf("%s: %d %s", method, code, body)
		}
	}
	r.stop()
	want := `"method":"PUT","path":"/a%2Fb","status":409,`
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || !strings.HasSuffix(got, fmt.Sprintf("%q:%q}\n", "user", "alice")) {
		t.Errorf("logged %s", got)
	}
}
