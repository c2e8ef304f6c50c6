package endpoints

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

func podWith(namespace, name string, labels map[string]string) *registry.Pod {
	return &registry.Pod{Meta: registry.Meta{Kind: registry.KindPod, Key: registry.Key{Namespace: namespace, Name: name}, Labels: labels}}
}

func serviceWith(namespace, name string, selector map[string]string) *registry.Service {
	return &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: registry.Key{Namespace: namespace, Name: name}}, Selector: selector}
}

type labels = map[string]string

func TestIndex(t *testing.T) {
	x := newIndex()
	pods := []*registry.Pod{
		podWith("a", "web-1", labels{"app": "web", "tier": "front"}),
		podWith("a", "web-2", labels{"app": "web", "tier": "back"}),
		podWith("a", "bare", nil),
		podWith("b", "web-3", labels{"app": "web"}),
	}
	for _, p := range pods {
		x.addPod(p)
	}
	services := map[string]*registry.Service{}
	for _, s := range []*registry.Service{
		serviceWith("a", "web", labels{"app": "web"}),
		serviceWith("a", "front", labels{"app": "web", "tier": "front"}),
		serviceWith("a", "none", labels{"app": "other"}),
		serviceWith("a", "every", labels{}),
		serviceWith("a", "by-hand", nil),
		serviceWith("b", "web-b", labels{"app": "web"}),
	} {
		services[s.Name] = s
		x.setService(s.Key, s)
	}
	check := func(what string, pod *registry.Pod, want ...string) {
		t.Helper()
		var got []string
		for k := range x.selecting(pod) {
			got = append(got, k.Name)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: services of %s (-want +got):\n%s", what, pod.Name, diff)
		}
	}
	check("at first", pods[0], "every", "front", "web")
	check("at first", pods[1], "every", "web")
	check("at first", pods[2], "every")
	check("at first", pods[3], "web-b")

	x.setService(services["front"].Key, serviceWith("a", "front", labels{"tier": "back"}))
	x.setService(services["every"].Key, nil)
	x.setService(services["web"].Key, serviceWith("a", "web", nil))
	check("after changes", pods[0])
	check("after changes", pods[1], "front")

	var names []string
	for name := range x.candidates("a", labels{"app": "web", "tier": "back"}) {
		names = append(names, name)
	}
	if !slices.Equal(names, []string{"web-2"}) {
		t.Errorf("candidates %q, want those of the rarer label", names)
	}
	if all := slices.Sorted(x.candidates("a", labels{})); !slices.Equal(all, []string{"bare", "web-1", "web-2"}) {
		t.Errorf("candidates %q of an empty selector", all)
	}
	for _, p := range pods {
		x.removePod(p)
	}
	for _, s := range services {
		x.setService(s.Key, nil)
	}
	if len(x.pods)+len(x.onNode)+len(x.services)+len(x.selectors) > 0 {
		t.Errorf("something is left: %v", x)
	}
}

// A pod's change looks at the services that share its rarest label, and not at
// all those that share one which every pod has.
func TestIndexLooksAtFew(t *testing.T) {
	x := newIndex()
	for i := range 1000 {
		name := fmt.Sprintf("app-%d", i)
		x.setService(registry.Key{Namespace: "a", Name: name}, serviceWith("a", name, labels{"env": "prod", "name": name}))
		x.addPod(podWith("a", name, labels{"env": "prod", "name": name}))
	}
	for at := range maps.Keys(x.services) {
		if len(x.services[at]) > 2 {
			t.Errorf("%d services under %v", len(x.services[at]), at)
		}
	}
}

// A label without a value is another thing than no label.
func TestMatches(t *testing.T) {
	tests := []struct {
		selector, has labels
		want          bool
	}{
		{labels{}, nil, true},
		{labels{"app": "web"}, labels{"app": "web", "tier": "front"}, true},
		{labels{"app": "web"}, labels{"app": "db"}, false},
		{labels{"app": "web", "tier": "front"}, labels{"app": "web"}, false},
		{labels{"canary": ""}, labels{"canary": ""}, true},
		{labels{"canary": ""}, labels{"app": "web"}, false},
	}
	for _, tt := range tests {
		if got := matches(tt.selector, tt.has); got != tt.want {
			t.Errorf("%v matches %v: %t", tt.selector, tt.has, got)
		}
	}
}
