package svcreg

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
	"k8s.io/apimachinery/pkg/labels"
)

// teams is a registry with namespaces of two teams, one whose object has no
// labels, and one without an object.
const teams = `
kind: Namespace
apiVersion: v1
metadata: {name: shop, labels: {team: web, environment: production}}
---
kind: Namespace
apiVersion: v1
metadata: {name: lab, labels: {team: data}}
---
kind: Namespace
apiVersion: v1
metadata: {name: plain}
---
kind: Namespace
apiVersion: v1
metadata: {name: vacant, labels: {team: web}}
---
kind: Service
apiVersion: v1
metadata: {name: cart, namespace: shop, labels: {tier: front}}
spec: {clusterIP: 10.0.1.1, ports: [{name: http, port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: db, namespace: shop, labels: {tier: back}}
spec: {clusterIP: None, ports: [{name: sql, port: 3306}]}
---
kind: Endpoints
apiVersion: v1
metadata: {name: db, namespace: shop}
subsets: [{addresses: [{ip: 192.0.2.101}], ports: [{name: sql, port: 3306}]}]
---
kind: Service
apiVersion: v1
metadata: {name: model, namespace: lab, labels: {tier: back}}
spec: {clusterIP: None, ports: [{name: grpc, port: 9000}]}
---
kind: Endpoints
apiVersion: v1
metadata: {name: model, namespace: lab}
subsets: [{addresses: [{ip: 192.0.2.101}], ports: [{name: grpc, port: 9000}]}]
---
kind: Service
apiVersion: v1
metadata: {name: page, namespace: plain}
spec: {clusterIP: 10.0.1.2, ports: [{name: http, port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: stray, namespace: bodiless, labels: {tier: back}}
spec: {type: ExternalName, externalName: www.example.org}
`

// filtered returns a handler of a stanza with some properties and a registry.
func filtered(t testing.TB, properties, objects string) *testServer {
	t.Helper()
	h := newTestServerOf(optionsOf(t, properties))
	h.update(registrytest.Snapshot(t, objects), nil)
	return h
}

// optionsOf returns the options of a stanza for the tests' zones.
func optionsOf(t testing.TB, properties string) *options {
	t.Helper()
	o, err := parseText(t, "svcreg "+strings.Join(theZones, " ")+" {\n"+properties+"\n}")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// check asks for the A records of names in cluster.local, or for the PTR
// records of addresses, and compares the answers: the types and the data of
// their records, or that there are none.
func check(t *testing.T, h *testServer, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range want {
		qname, qtype := name+".cluster.local.", dns.TypeA
		if _, err := netip.ParseAddr(name); err == nil {
			qname, _ = dns.ReverseAddr(name)
			qtype = dns.TypePTR
		}
		m := ask(t, h, qname, qtype)
		var data []string
		for _, r := range m.Answer {
			data = append(data, strings.Join(strings.Fields(r.String())[3:], " "))
		}
		switch negative := isSOA(m.Ns); {
		case len(data) > 0 && m.Rcode == dns.RcodeSuccess:
			got[name] = strings.Join(data, ", ")
		case m.Rcode == dns.RcodeSuccess && negative:
			got[name] = "NODATA"
		case m.Rcode == dns.RcodeNameError && negative:
			got[name] = "NXDOMAIN"
		default:
			got[name] = text(m)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func isSOA(records []dns.RR) bool {
	return len(records) == 1 && records[0].Header().Rrtype == dns.TypeSOA
}

// What is not exposed does not exist: no name, no PTR record, no namespace.
func TestFilters(t *testing.T) {
	all := map[string]string{
		"cart.shop.svc": "A 10.0.1.1", "cart.shop": "A 10.0.1.1", "_http._tcp.cart.shop.svc": "NODATA",
		"db.shop.svc": "A 192.0.2.101", "192-0-2-101.db.shop.svc": "A 192.0.2.101",
		"model.lab.svc": "A 192.0.2.101", "page.plain.svc": "A 10.0.1.2",
		"stray.bodiless.svc": "CNAME www.example.org., A 203.0.113.80",
		"shop.svc":           "NODATA", "lab.svc": "NODATA", "plain.svc": "NODATA", "vacant.svc": "NODATA", "bodiless.svc": "NODATA",
		"10.0.1.1": "PTR cart.shop.svc.cluster.local.", "10.0.1.2": "PTR page.plain.svc.cluster.local.",
		"192.0.2.101": "PTR 192-0-2-101.model.lab.svc.cluster.local., PTR 192-0-2-101.db.shop.svc.cluster.local.",
	}
	const (
		inShop = "PTR 192-0-2-101.db.shop.svc.cluster.local."
		inLab  = "PTR 192-0-2-101.model.lab.svc.cluster.local."
	)
	for _, tt := range []struct {
		properties string
		hidden     string // names that are NXDOMAIN, with those below and for short
		others     map[string]string
	}{
		{"", "", nil},
		{"namespaces shop", "model.lab.svc page.plain.svc stray.bodiless.svc lab.svc plain.svc vacant.svc bodiless.svc 10.0.1.2",
			map[string]string{"192.0.2.101": inShop}},
		{"namespaces lab vacant", "cart.shop.svc db.shop.svc page.plain.svc stray.bodiless.svc shop.svc plain.svc bodiless.svc 10.0.1.1 10.0.1.2",
			map[string]string{"192.0.2.101": inLab}},
		{"namespaces bodiless nowhere", "cart.shop.svc db.shop.svc model.lab.svc page.plain.svc shop.svc lab.svc plain.svc vacant.svc 10.0.1.1 10.0.1.2 192.0.2.101", nil},
		{"namespace_labels team=web", "model.lab.svc page.plain.svc stray.bodiless.svc lab.svc plain.svc bodiless.svc 10.0.1.2",
			map[string]string{"192.0.2.101": inShop}},
		{"namespace_labels team in (web, data),environment!=production", "cart.shop.svc db.shop.svc page.plain.svc stray.bodiless.svc shop.svc plain.svc bodiless.svc 10.0.1.1 10.0.1.2",
			map[string]string{"192.0.2.101": inLab}},
		{"namespace_labels !team", "cart.shop.svc db.shop.svc model.lab.svc shop.svc lab.svc vacant.svc 10.0.1.1 192.0.2.101", nil},
		{"labels tier in ( front , middle )", "db.shop.svc model.lab.svc page.plain.svc stray.bodiless.svc bodiless.svc 10.0.1.2 192.0.2.101", nil},
		{"labels tier=back", "cart.shop.svc page.plain.svc 10.0.1.1 10.0.1.2", nil},
		{"namespaces shop bodiless\nlabels tier=back", "cart.shop.svc model.lab.svc page.plain.svc lab.svc plain.svc vacant.svc 10.0.1.1 10.0.1.2",
			map[string]string{"192.0.2.101": inShop}},
		{"namespace_labels team=web\nlabels tier=front", "db.shop.svc model.lab.svc page.plain.svc stray.bodiless.svc lab.svc plain.svc bodiless.svc 10.0.1.2 192.0.2.101", nil},
	} {
		t.Run(tt.properties, func(t *testing.T) {
			want := maps.Clone(all)
			for _, name := range strings.Fields(tt.hidden) {
				for k := range want {
					if k == name || strings.HasSuffix(k, "."+name) || k+".svc" == name {
						want[k] = "NXDOMAIN"
					}
				}
			}
			maps.Copy(want, tt.others)
			check(t, filtered(t, tt.properties, teams), want)
		})
	}
}

// Services appear and disappear with their namespace's labels, and with their
// own, at once.
func TestFiltersFollowLabels(t *testing.T) {
	h := filtered(t, "namespace_labels team=web\nlabels tier=back", teams)
	revision := int64(100)
	apply := func(changes ...registry.Change) {
		s, changed := h.index.Load().snapshot.Apply(revision, changes...)
		h.update(s, changed)
		revision++
	}
	namespace := func(name string, l map[string]string) registry.Change {
		return registry.Put(&registry.Namespace{Meta: registry.Meta{Kind: registry.KindNamespace, Key: registry.Key{Name: name}, Labels: l}})
	}
	web := map[string]string{"team": "web"}
	cart := portalService(registry.Key{Namespace: "shop", Name: "cart"}, netip.MustParseAddr("10.0.1.1"))
	cart.Labels = map[string]string{"tier": "back"}
	want := map[string]string{
		"db.shop.svc": "A 192.0.2.101", "cart.shop.svc": "NXDOMAIN", "model.lab.svc": "NXDOMAIN",
		"stray.bodiless.svc": "NXDOMAIN", "bodiless.svc": "NXDOMAIN", "shop.svc": "NODATA", "lab.svc": "NXDOMAIN",
		"10.0.1.1": "NXDOMAIN", "192.0.2.101": "PTR 192-0-2-101.db.shop.svc.cluster.local.",
	}
	for _, step := range []struct {
		name   string
		change []registry.Change
		want   map[string]string
	}{
		{"nothing", nil, nil},
		{"lab gets the label", []registry.Change{namespace("lab", web)}, map[string]string{
			"model.lab.svc": "A 192.0.2.101", "lab.svc": "NODATA",
			"192.0.2.101": "PTR 192-0-2-101.model.lab.svc.cluster.local., PTR 192-0-2-101.db.shop.svc.cluster.local.",
		}},
		{"shop loses it", []registry.Change{namespace("shop", nil)}, map[string]string{
			"db.shop.svc": "NXDOMAIN", "shop.svc": "NXDOMAIN", "192.0.2.101": "PTR 192-0-2-101.model.lab.svc.cluster.local.",
		}},
		{"a service of the unexposed namespace gets its label", []registry.Change{registry.Put(cart)}, nil},
		{"shop gets the label again", []registry.Change{namespace("shop", web)}, map[string]string{
			"db.shop.svc": "A 192.0.2.101", "cart.shop.svc": "A 10.0.1.1", "shop.svc": "NODATA",
			"10.0.1.1":    "PTR cart.shop.svc.cluster.local.",
			"192.0.2.101": "PTR 192-0-2-101.model.lab.svc.cluster.local., PTR 192-0-2-101.db.shop.svc.cluster.local.",
		}},
		{"the object of bodiless comes", []registry.Change{namespace("bodiless", web)}, map[string]string{
			"stray.bodiless.svc": "CNAME www.example.org., A 203.0.113.80", "bodiless.svc": "NODATA",
		}},
		{"and goes", []registry.Change{registry.Delete(registry.Ref{Kind: registry.KindNamespace, Key: registry.Key{Name: "bodiless"}})}, map[string]string{
			"stray.bodiless.svc": "NXDOMAIN", "bodiless.svc": "NXDOMAIN",
		}},
		{"a service goes together with its namespace", []registry.Change{
			registry.Delete(registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "lab", Name: "model"}}),
			registry.Delete(registry.Ref{Kind: registry.KindNamespace, Key: registry.Key{Name: "lab"}}),
		}, map[string]string{
			"model.lab.svc": "NXDOMAIN", "lab.svc": "NXDOMAIN", "192.0.2.101": "PTR 192-0-2-101.db.shop.svc.cluster.local.",
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			apply(step.change...)
			maps.Copy(want, step.want)
			check(t, h, want)
		})
	}
}

// What is hidden has no name in public zones, and no pods.
func TestFiltersElsewhere(t *testing.T) {
	const objects = teams + `
---
kind: Service
apiVersion: v1
metadata: {name: open, namespace: shop}
spec: {clusterIP: 10.0.1.3, externalIPs: [198.51.100.3], ports: [{name: http, port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: open, namespace: lab}
spec: {clusterIP: 10.0.1.4, externalIPs: [198.51.100.4], ports: [{name: http, port: 80}]}
---
kind: Pod
apiVersion: v1
metadata: {name: one, namespace: lab}
status: {podIP: 192.0.2.7, phase: Running}
---
kind: Pod
apiVersion: v1
metadata: {name: two, namespace: shop}
status: {podIP: 192.0.2.8, phase: Running}
---
kind: Pod
apiVersion: v1
metadata: {name: three, namespace: servicefree}
status: {podIP: 192.0.2.9, phase: Running}
`
	for _, properties := range []string{"namespaces shop", "namespace_labels team=web"} {
		for _, mode := range []string{"verified", "insecure"} {
			h := filtered(t, properties+"\npods "+mode+"\npublic out.cluster.local", objects)
			check(t, h, map[string]string{
				"open.shop.out": "A 198.51.100.3", "198.51.100.3": "PTR open.shop.out.cluster.local.",
				"open.lab.out": "NXDOMAIN", "lab.out": "NXDOMAIN", "198.51.100.4": "NXDOMAIN",
				"192-0-2-8.shop.pod": "A 192.0.2.8", "192-0-2-7.lab.pod": "NXDOMAIN", "lab.pod": "NXDOMAIN",
				"192-0-2-9.servicefree.pod": "NXDOMAIN", "servicefree.pod": "NXDOMAIN",
			})
		}
	}
}

// A namespace whose services are all hidden by their labels exists only if it
// has an object of its own, and a label that changes leaves no trace.
func TestNamespaceOfHiddenServices(t *testing.T) {
	h := filtered(t, "labels tier=front", teams)
	check(t, h, map[string]string{"bodiless.svc": "NXDOMAIN", "plain.svc": "NODATA", "lab.svc": "NODATA"})
	stray := portalService(registry.Key{Namespace: "bodiless", Name: "stray"}, netip.MustParseAddr("10.0.1.9"))
	for i, tier := range []string{"front", "back", "front", ""} {
		change := registry.Delete(stray.Ref())
		if tier != "" {
			s := *stray
			s.Labels = map[string]string{"tier": tier}
			change = registry.Put(&s)
		}
		snapshot, changes := h.index.Load().snapshot.Apply(int64(100+i), change)
		h.update(snapshot, changes)
		want := "NXDOMAIN"
		if tier == "front" {
			want = "NODATA"
		}
		check(t, h, map[string]string{"bodiless.svc": want})
	}
	if n := h.index.Load().members.Len(); n != 1 {
		t.Errorf("%d namespaces have members, want shop only", n)
	}
}

// An index grown change by change is the one that a new start would build, and
// the one that a registry without the hidden services would give.
func TestFilteredIndexFollowsChanges(t *testing.T) {
	for _, properties := range []string{
		"namespaces a c", "namespace_labels show", "namespace_labels !show", "labels show",
		"labels !show\nnamespaces b", "labels show\nnamespace_labels show=yes",
	} {
		t.Run(properties, func(t *testing.T) {
			for seed := range uint64(10) {
				rng := rand.New(rand.NewPCG(seed, 0))
				h, s := newTestServerOf(optionsOf(t, properties)), &registry.Snapshot{}
				for revision := range int64(80) {
					var changes *registry.Changes
					s, changes = s.Apply(revision+1, randomChanges(rng, revision+1)...)
					h.update(s, changes)
				}
				grown := h.index.Load()
				if diff := cmp.Diff(dump(h.stanza.next(nil, s, nil)), dump(grown)); diff != "" {
					t.Fatalf("seed %d: index (-new +grown):\n%s", seed, diff)
				}
				without := newTestServer(theZones...)
				without.update(exposedOf(s, &h.filter), nil)
				if diff := cmp.Diff(dump(without.index.Load()), dump(grown)); diff != "" {
					t.Fatalf("seed %d: index (-of what is exposed +grown):\n%s", seed, diff)
				}
				for _, name := range []string{"a", "b", "c"} {
					if got, want := grown.hasNamespace(name), without.index.Load().hasNamespace(name); got != want {
						t.Fatalf("seed %d: namespace %s exists: %t, want %t", seed, name, got, want)
					}
				}
			}
		})
	}
}

// exposedOf returns a snapshot without what a filter hides.
func exposedOf(s *registry.Snapshot, f *filter) *registry.Snapshot {
	shown := func(namespace string) bool {
		l := labels.Set{}
		if n := s.Namespace(namespace); n != nil {
			l = n.Labels
		}
		return (f.namespaces == nil || slices.Contains(f.namespaces, namespace)) &&
			(f.namespaceLabels == nil || f.namespaceLabels.Matches(l))
	}
	var objects []registry.Object
	for o := range s.Objects() {
		m := o.Metadata()
		switch {
		case m.Kind == registry.KindNamespace && !shown(m.Name):
		case m.Kind == registry.KindService && !shown(m.Namespace):
		case m.Kind == registry.KindService && f.labels != nil && !f.labels.Matches(labels.Set(m.Labels)):
		default:
			objects = append(objects, o)
		}
	}
	return registry.Build(s.Revision(), objects...)
}

// randomChanges puts or deletes one or two of a few services, endpoints and
// namespaces, with or without labels.
func randomChanges(rng *rand.Rand, revision int64) (changes []registry.Change) {
	label := func() map[string]string {
		return []map[string]string{nil, {"show": "yes"}, {"show": "no"}, {"other": "yes"}}[rng.IntN(4)]
	}
	for range 1 + rng.IntN(2) {
		namespace := []string{"a", "b", "c"}[rng.IntN(3)]
		if rng.IntN(4) == 0 {
			n := &registry.Namespace{Meta: registry.Meta{Kind: registry.KindNamespace, Key: registry.Key{Name: namespace}, Labels: label()}}
			if rng.IntN(3) == 0 {
				changes = append(changes, registry.Delete(n.Ref()))
			} else {
				changes = append(changes, registry.Put(n))
			}
			continue
		}
		c := randomChange(rng, revision)
		c.Namespace = namespace
		if c.Object != nil {
			m := c.Object.Metadata()
			m.Namespace, m.Labels = namespace, label()
			if e, ok := c.Object.(*registry.Endpoints); ok {
				e.Service.Namespace = namespace
			}
		}
		changes = append(changes, c)
	}
	return changes
}

func TestParseFilters(t *testing.T) {
	for _, tt := range []struct{ properties, want string }{
		{"namespaces a b", "[a b]  "},
		{"namespace_labels team in (web, data),environment!=test", "[] environment!=test,team in (data,web) "},
		{"labels a = b , !c", "[]  a=b,!c"},
		{"namespaces a\nlabels rank > 5", "[a]  rank>5"},
	} {
		f := optionsOf(t, tt.properties).filter
		show := func(s labels.Selector) string {
			if s == nil {
				return ""
			}
			return s.String()
		}
		if got := "[" + strings.Join(f.namespaces, " ") + "] " + show(f.namespaceLabels) + " " + show(f.labels); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.properties, got, tt.want)
		}
	}
}

func TestParseFilterErrors(t *testing.T) {
	const expression = "want an EXPRESSION such as environment in (staging, qa),tier!=internal"
	for _, tt := range []struct{ properties, want string }{
		{"namespaces", "namespaces: want at least one NAMESPACE"},
		{"namespaces a A", `namespaces: "A": want a NAMESPACE: a DNS label in lower case`},
		{"namespaces a.b", `namespaces: "a.b": want a NAMESPACE: a DNS label in lower case`},
		{"labels", "labels: " + expression},
		{`labels ""`, "labels: " + expression},
		{"namespace_labels", "namespace_labels: " + expression},
		{"labels tier in (front", `labels: "tier in (front": want a label selector: unable to parse requirement: found '', expected: ',' or ')'`},
		{"namespace_labels team=web data", `namespace_labels: "team=web data": want a label selector: found 'data', expected: ',' or 'end of string'`},
		{"namespaces a\nnamespace_labels team=web", "namespaces and namespace_labels: want one of them"},
	} {
		t.Run(tt.properties, func(t *testing.T) {
			_, err := parseText(t, "svcreg cluster.local {\n"+tt.properties+"\n}")
			if err == nil || !strings.HasSuffix(err.Error(), " - Error during parsing: "+tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
