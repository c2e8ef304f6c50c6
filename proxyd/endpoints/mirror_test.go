package endpoints

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// stored returns an object as it is read back from the registry, at a revision.
func stored(t *testing.T, e *registry.Endpoints) *registry.Endpoints {
	t.Helper()
	value, err := codec.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	o, err := codec.Decode(e.Ref(), value)
	if err != nil {
		t.Fatal(err)
	}
	o.Metadata().ModRevision = 7
	return o.(*registry.Endpoints)
}

// mirrorIn returns the Endpoints object among what a plan puts.
func mirrorIn(p plan) *registry.Endpoints {
	for _, e := range p.puts {
		if e.Kind == registry.KindEndpoints {
			return e
		}
	}
	return nil
}

// What is written stays as it is when it is read back: slices and Endpoints.
func TestPlanSettles(t *testing.T) {
	config := &Config{SliceSize: 2}
	g := groupOf(80, 1, 2, 3, 4)
	g.endpoints[0].Ready, g.endpoints[0].Serving = false, false
	g.endpoints[1].Ready, g.endpoints[1].Terminating = false, true
	g.endpoints[2].Zone, g.endpoints[2].Node, g.endpoints[2].Hostname = "z", "n", "h"
	v6 := groupOf(80, 5)
	v6.v6, v6.endpoints[0].Addr = true, netip6
	for name, groups := range map[string][]group{"full": {g, v6}, "empty": nil} {
		p := planFor(web, groups, standing{taken: func(registry.Key) bool { return false }}, config)
		have := standing{taken: func(registry.Key) bool { return true }}
		for _, e := range p.puts {
			if e.Kind == registry.KindEndpoints {
				have.mirror = stored(t, e)
			} else {
				have.slices = append(have.slices, stored(t, e))
			}
		}
		if have.mirror == nil {
			t.Fatalf("%s: no Endpoints object", name)
		}
		if again := planFor(web, groups, have, config); !again.empty() {
			t.Errorf("%s: written again: %+v", name, again)
		}
	}
}

func TestMirror(t *testing.T) {
	ready, leaving := groupOf(80, 1, 2, 3), groupOf(81, 4)
	ready.endpoints[0].Ready = false
	ready.endpoints[1].Terminating = true
	noPort := group{endpoints: groupOf(80, 5).endpoints}
	v6 := groupOf(80, 6)
	v6.v6, v6.endpoints[0].Addr = true, netip6
	all := []group{ready, leaving, noPort, v6}
	everything, headless, first6 := *web, *web, *web
	everything.PublishNotReady = true
	headless.PortalIPs, headless.Headless, headless.Ports = nil, true, nil
	first6.PortalIPs = addrs6
	foreign := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: web.Key, ModRevision: 3}}
	mine := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: web.Key, ModRevision: 3, Annotations: map[string]string{managedByAnnotation: Manager, "other": "stays"}}}
	tests := []struct {
		name    string
		service *registry.Service
		groups  []group
		have    *registry.Endpoints
		config  Config
		want    string // "" for nothing
		deletes int
	}{
		{"ready ones first, those that go left out", web, all, nil, Config{}, ":80 p3 p1 :81 p4", 0},
		{"unless all count", &everything, all, nil, Config{}, ":80 p2 p3 p1 :81 p4", 0},
		{"headless: without ports too", &headless, []group{noPort}, nil, Config{}, "p5", 0},
		{"the first family", &first6, all, nil, Config{}, ":80 p6", 0},
		{"only IPv6 there is", &headless, []group{v6}, nil, Config{}, ":80 p6", 0},
		{"over its own", web, all, mine, Config{}, ":80 p3 p1 :81 p4", 0},
		{"never over a hand-made one", web, all, foreign, Config{}, "", 0},
		{"a hand-made one survives its service", nil, nil, foreign, Config{}, "", 0},
		{"its own goes with the service", nil, nil, mine, Config{}, "", 1},
		{"and where nobody wants it", web, all, mine, Config{SlicesOnly: true}, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.SliceSize = 100
			p := planFor(tt.service, tt.groups, standing{mirror: tt.have, taken: func(registry.Key) bool { return false }}, &tt.config)
			got := ""
			if e := mirrorIn(p); e != nil {
				got = numbersIn(e)
				if !mirrored(e) || tt.have != nil && e.Annotations["other"] != "stays" {
					t.Errorf("annotations %v", e.Annotations)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(p.deletes) != tt.deletes {
				t.Errorf("%d deletes (-want +got):\n%s", len(p.deletes), diff)
			}
		})
	}
}

// A large service's Endpoints object says that it isn't everything.
func TestMirrorTruncated(t *testing.T) {
	g := groupOf(80, upTo(1001)...)
	g.endpoints[0].Ready = false
	e := mirrorIn(planFor(web, []group{g}, standing{taken: func(registry.Key) bool { return false }}, &Config{SliceSize: 100}))
	endpoints := e.Subsets[0].Endpoints
	if len(endpoints) != maxMirrored || slices.ContainsFunc(endpoints, func(e registry.Endpoint) bool { return !e.Ready }) || e.Annotations[overCapacityAnnotation] != "truncated" {
		t.Errorf("%d endpoints, annotations %v", len(endpoints), e.Annotations)
	}
	e.ModRevision = 1
	g.endpoints = g.endpoints[1:]
	e = mirrorIn(planFor(web, []group{g}, standing{mirror: e, taken: func(registry.Key) bool { return false }}, &Config{SliceSize: 100}))
	if e == nil || e.Annotations[overCapacityAnnotation] != "" {
		t.Error("it says so still")
	}
}
