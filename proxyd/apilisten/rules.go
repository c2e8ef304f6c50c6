package apilisten

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/svcreg/svcreg/registry"
)

// Rules are what a file says of who may do what, YAML:
//
//	rules:
//	- users: [alice]            # or groups: [...]; a rule without either is for all
//	  namespaces: [shop, test-*] # without it: in all namespaces
//	  services: ["*"]           # that may be proxied to
//	  pods: [web-*]             # likewise
//	  nodes: []                 # likewise; they are in no namespace
//	  registry: read            # or write: what may be done to the registry's objects
//
// A client may do what any rule grants, and nothing else. A name that ends with
// an asterisk stands for all that begin with what is before it.
type Rules struct {
	Rules []Rule `json:"rules"`
}

// Rule grants something to some.
type Rule struct {
	Users      []string `json:"users,omitempty"`
	Groups     []string `json:"groups,omitempty"`
	Namespaces []string `json:"namespaces,omitempty"`
	Services   []string `json:"services,omitempty"`
	Pods       []string `json:"pods,omitempty"`
	Nodes      []string `json:"nodes,omitempty"`
	Registry   string   `json:"registry,omitempty"`
}

// parseRules reads a file of rules.
func parseRules(contents [][]byte) (*Rules, error) {
	r := &Rules{}
	if err := yaml.UnmarshalStrict(bytes.TrimSpace(contents[0]), r); err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	if len(r.Rules) == 0 {
		return nil, errors.New(`want "rules:" and at least one: without any, nobody may do anything`)
	}
	for i := range r.Rules {
		if err := r.Rules[i].validate(); err != nil {
			return nil, fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	return r, nil
}

// validate refuses what would not do what it seems to.
func (r *Rule) validate() error {
	if !slices.Contains([]string{"", "read", "write"}, r.Registry) {
		return fmt.Errorf("registry: %q: want read or write", r.Registry)
	}
	for name, list := range map[string][]string{
		"users": r.Users, "groups": r.Groups, "namespaces": r.Namespaces, "services": r.Services, "pods": r.Pods, "nodes": r.Nodes,
	} {
		for _, pattern := range list {
			if head := strings.TrimSuffix(pattern, "*"); pattern == "" || strings.Contains(head, "*") {
				return fmt.Errorf("%s: %q: want a name, a name's beginning and *, or *", name, pattern)
			}
		}
	}
	for name, list := range map[string][]string{"users": r.Users, "groups": r.Groups, "namespaces": r.Namespaces} {
		if list != nil && len(list) == 0 {
			return fmt.Errorf("%s: want at least one, or leave it out for all", name)
		}
	}
	if len(r.Services)+len(r.Pods)+len(r.Nodes) == 0 && r.Registry == "" {
		return errors.New("it grants nothing: want services, pods, nodes or registry")
	}
	return nil
}

// may reports whether any rule for a user grants something.
func (r *Rules) may(u *User, grants func(*Rule) bool) bool {
	return slices.ContainsFunc(r.Rules, func(rule Rule) bool { return rule.isFor(u) && grants(&rule) })
}

// isFor reports whether a rule is for a user.
func (r *Rule) isFor(u *User) bool {
	return len(r.Users)+len(r.Groups) == 0 || matches(r.Users, u.Name) ||
		slices.ContainsFunc(u.Groups, func(g string) bool { return matches(r.Groups, g) })
}

// in reports whether a rule holds in a namespace; for the empty one, whether in
// all.
func (r *Rule) in(namespace string) bool {
	return len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, "*") || namespace != "" && matches(r.Namespaces, namespace)
}

// proxies reports whether a rule lets requests be proxied to something.
func (r *Rule) proxies(to registry.Ref) bool {
	switch to.Kind {
	case registry.KindService:
		return r.in(to.Namespace) && matches(r.Services, to.Name)
	case registry.KindPod:
		return r.in(to.Namespace) && matches(r.Pods, to.Name)
	}
	return to.Kind == registry.KindNode && matches(r.Nodes, to.Name)
}

// matches reports whether any pattern stands for a name.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		head, some := strings.CutSuffix(p, "*")
		return p == name || some && strings.HasPrefix(name, head)
	})
}

// Guard decides what clients may do, by their User and a file of Rules.
type Guard struct{ rules *files[*Rules] }

// NewGuard returns a Guard with the rules of a file; without one clients may do
// all. The error is a *SettingError.
func NewGuard(file string, logger *slog.Logger) (*Guard, error) {
	if file == "" {
		return &Guard{}, nil
	}
	rules, err := readFiles(logger, parseRules, file)
	return &Guard{rules}, settingError("allow-file", err)
}

// MayProxy reports whether a request may be proxied to something: it is an
// apiproxy.Config's May.
func (g *Guard) MayProxy(r *http.Request, to registry.Ref) bool {
	return g.rules == nil || g.rules.get().may(UserOf(r.Context()), func(rule *Rule) bool { return rule.proxies(to) })
}

// MayReach reports whether a request may read the objects of a namespace, or
// write them; an empty one stands for all: it is an apiserver.Config's May.
func (g *Guard) MayReach(r *http.Request, namespace string, write bool) bool {
	return g.rules == nil || g.rules.get().may(UserOf(r.Context()), func(rule *Rule) bool {
		return rule.in(namespace) && (rule.Registry == "write" || rule.Registry == "read" && !write)
	})
}
