package external

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// value returns a service's value, and how often it was written.
func (f *fleet) value(name string) (value string, version int64) {
	f.t.Helper()
	ref := registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: name}}
	response, err := f.client.Get(f.t.Context(), f.layout.Key(ref))
	if err != nil || len(response.Kvs) == 0 {
		f.t.Fatalf("%s: %v", ref, err)
	}
	return string(response.Kvs[0].Value), response.Kvs[0].Version
}

// condition returns what a service's condition says: "False AddressRefused …".
func (f *fleet) condition(name string) (text string, since int64) {
	f.t.Helper()
	value, _ := f.value(name)
	ref := registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: name}}
	o, err := codec.Decode(ref, []byte(value))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range o.(*registry.Service).Conditions {
		if c.Type == EndpointsAccepted {
			return c.Status + " " + c.Reason + " " + c.Message, c.Since
		}
	}
	return "", 0
}

// wantCondition waits until a service's condition says something.
func (f *fleet) wantCondition(name, want string) {
	f.t.Helper()
	f.await(func() string {
		if got, _ := f.condition(name); got != want {
			return fmt.Sprintf("%s: the condition says %q, want %q", name, got, want)
		}
		return ""
	})
}

// wantQuiet checks that for a while nothing at all is written, and nothing that
// stands there already is to be.
func (f *fleet) wantQuiet() {
	f.t.Helper()
	before := registrytest.Metric(f.t, f.metrics.writes)
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*settle)
	defer cancel()
	for response := range f.client.Watch(ctx, "/registry/", clientv3.WithPrefix()) {
		for _, e := range response.Events {
			f.t.Errorf("written for nothing: %s: %s", e.Kv.Key, e.Kv.Value)
		}
	}
	if again := registrytest.Metric(f.t, f.metrics.writes) - before; again > 1 { // one may have been about to be counted
		f.t.Errorf("%v writes of what stands there", again)
	}
}

const nothingRefused = "True NothingRefused no endpoint's address is refused"

// A service says which of its endpoints are refused, in whatever version it is
// stored, and nothing else about it changes. It says so once, and says it when
// none is refused any more.
func TestCondition(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	services := map[string]string{
		"v1beta1": `{ "kind":"Service", "apiVersion":"v1beta1", "id":"v1beta1", "namespace":"my-ns", "port":80, "portalIP":"10.96.0.1", "new":[1.0,"\u003c"] }`,
		"v1beta3": `{ "kind":"Service", "apiVersion":"v1beta3", "metadata":{"name":"v1beta3","namespace":"my-ns"}, "spec":{"portalIP":"10.96.0.2", "ports":[{"port":80}]} }`,
		"v1":      `{ "kind":"Service", "apiVersion":"v1", "metadata":{"name":"v1","namespace":"my-ns"}, "spec":{"clusterIP":"10.96.0.3", "ports":[ {"port":80} ]}, "status": {"loadBalancer": {}} }`,
	}
	for name, value := range services {
		if _, err := f.client.Put(t.Context(), "/registry/services/specs/my-ns/"+name, value); err != nil {
			t.Fatal(err)
		}
		f.put(eps(name, "192.0.2.1:80", "127.0.0.1:80", "10.96.0.1:80"))
	}
	f.start()
	const refused = "False AddressRefused 10.96.0.1: the portal IP of my-ns/v1beta1; 127.0.0.1: a loopback address"
	for name, before := range services {
		f.wantCondition(name, refused)
		value, version := f.value(name)
		if version != 2 {
			t.Errorf("%s was written %d times", name, version-1)
		}
		_, since := f.condition(name)
		if age := time.Since(time.Unix(since, 0)); age > time.Minute {
			t.Errorf("%s: since %v ago", name, age)
		}
		condition := `"conditions":[{"lastTransitionTime":"` + time.Unix(since, 0).UTC().Format(time.RFC3339) + `","message":` +
			`"10.96.0.1: the portal IP of my-ns/v1beta1; 127.0.0.1: a loopback address","reason":"AddressRefused","status":"False","type":"svcreg.io/EndpointsAccepted"}]`
		want := strings.TrimSuffix(before, " }") + `, "status":{` + condition + `} }`
		if name == "v1" {
			want = strings.Replace(before, `{"loadBalancer": {}}`, `{"loadBalancer": {},`+condition+`}`, 1)
		}
		if diff := cmp.Diff(want, value); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		f.want(name, "") // the endpoints stay the user's own
	}
	f.wantQuiet()
	f.put(eps("v1", "192.0.2.1:80"))
	f.wantCondition("v1", nothingRefused)
	f.wantQuiet()
	f.put(eps("v1", "192.0.2.2:80"))
	f.delete(registry.KindEndpoints, "v1beta1")
	f.wantCondition("v1beta1", nothingRefused)
	f.put(eps("v1", "192.0.2.2:80", "0.0.0.0:80"))
	f.wantCondition("v1", "False AddressRefused 0.0.0.0: an unspecified address")
}

// The next leader has nothing to write, and nothing to tell, where the condition
// says what there is to say. Where it doesn't any more it is changed, and keeps
// its time where only the text does.
func TestConditionOfAnotherLeader(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.Events = &registrytest.Events{}
	f.put(svc("web", "10.96.0.1"), eps("web", "127.0.0.1:80"), svc("gone", "10.96.0.2"), eps("gone", "127.0.0.1:80"), svc("good", "10.96.0.3"), eps("good", "192.0.2.1:80"))
	f.start()
	f.wantTold("Warning my-ns/web AddressRefused 127.0.0.1: a loopback address", "Warning my-ns/gone AddressRefused 127.0.0.1: a loopback address")
	f.wantCondition("web", "False AddressRefused 127.0.0.1: a loopback address")
	f.wantCondition("gone", "False AddressRefused 127.0.0.1: a loopback address")
	f.stop()
	value, _ := f.value("web")
	const long = "2020-01-01T00:00:00Z"
	_, since := f.condition("web")
	value = strings.Replace(value, time.Unix(since, 0).UTC().Format(time.RFC3339), long, 1)
	if _, err := f.client.Put(t.Context(), "/registry/services/specs/my-ns/web", value); err != nil || !strings.Contains(value, long) {
		t.Fatal(value, err)
	}
	f.delete(registry.KindEndpoints, "gone")
	f.start()
	f.wantCondition("gone", nothingRefused)
	f.wantQuiet()
	f.wantTold()
	if got, _ := f.value("web"); got != value {
		t.Errorf("the next leader wrote %s", got)
	}
	f.put(eps("web", "224.0.0.1:80"))
	f.wantCondition("web", "False AddressRefused 224.0.0.1: a multicast address")
	if got, _ := f.value("web"); !strings.Contains(got, long) {
		t.Errorf("the time is another, though the status isn't: %s", got)
	}
	if value, version := f.value("good"); version != 1 {
		t.Errorf("a service of which nothing is refused was written: %s", value)
	}
}

// Services with slices of ours have the condition, too: that a name leads to
// what is refused, or back. What fails or isn't resolved is none of that.
func TestConditionOfNames(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 0 A 192.0.2.1", "db.example.com. 0 A 127.0.0.1")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:5432", "0.0.0.0:5432"), svc("self", "10.96.0.2"), eps("self", "self.my-ns:80"),
		svc("fails", "10.96.0.3", append(fast, CheckAnnotation, "tcp")...), eps("fails", "192.0.2.3:9", "nobody.example.com:9"))
	f.start()
	f.wantCondition("db", "False AddressRefused 0.0.0.0: an unspecified address; db.example.com is 127.0.0.1: a loopback address")
	f.want("db", "192.0.2.1:5432", "refused: 0.0.0.0: an unspecified address", "refused: db.example.com is 127.0.0.1: a loopback address")
	f.wantCondition("self", "False Loop self.my-ns: it leads back to the service itself")
	f.dns.set("db.example.com. 0 A 192.0.2.1")
	f.wantCondition("db", "False AddressRefused 0.0.0.0: an unspecified address")
	f.put(eps("db", "db.example.com:5432"))
	f.wantCondition("db", nothingRefused)
	f.want("db", "192.0.2.1:5432")
	f.await(func() string {
		if !strings.Contains(f.state("fails"), "panic: ") {
			return f.state("fails")
		}
		return ""
	})
	if value, version := f.value("fails"); version != 1 {
		t.Errorf("a service of which nothing is refused was written: %s", value)
	}
}

// A service that can't be written without guessing, with a field that stands
// twice, is looked after all the same.
func TestNoConditionWhereItCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 0 A 192.0.2.1")
	const value = `{"kind":"Service","apiVersion":"v1beta1","id":"odd","namespace":"my-ns","port":80,"portalIP":"10.96.0.1","x":1,"x":2}`
	if _, err := f.client.Put(t.Context(), "/registry/services/specs/my-ns/odd", value); err != nil {
		t.Fatal(err)
	}
	f.put(eps("odd", "db.example.com:80", "127.0.0.1:80"))
	f.start()
	f.want("odd", "192.0.2.1:80", "refused: 127.0.0.1: a loopback address")
	f.dns.set("db.example.com. 0 A 192.0.2.2")
	f.want("odd", "192.0.2.2:80", "refused: 127.0.0.1: a loopback address")
	if got, _ := f.value("odd"); got != value {
		t.Errorf("written: %s", got)
	}
	if n := registrytest.Metric(f.t, f.metrics.failures); n != 0 {
		t.Errorf("%v failures", n)
	}
}

// Whoever applies a manifest again, with or without a status of its own, doesn't
// undo the condition.
func TestConditionStaysWithApply(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	manifest := svc("web", "10.96.0.1")
	f.put(manifest, eps("web", "127.0.0.1:80"))
	f.start()
	f.wantCondition("web", "False AddressRefused 127.0.0.1: a loopback address")
	w := write.New(f.client, f.layout, write.Options{})
	for _, text := range []string{
		manifest,
		strings.TrimSuffix(manifest, "}") + `,"status":{"loadBalancer":{},"conditions":[{"type":"svcreg.io/EndpointsAccepted","status":"True"}]}}`,
		`{"kind":"Service","apiVersion":"v1beta1","id":"web","namespace":"my-ns","port":80,"portalIP":"10.96.0.1"}`,
	} {
		documents, err := codec.ParseDocuments("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Apply(t.Context(), documents[0]); err != nil {
			t.Fatal(err)
		}
		if got, _ := f.condition("web"); got != "False AddressRefused 127.0.0.1: a loopback address" {
			t.Errorf("after %s: %q", text, got)
		}
		outcome, err := w.Apply(t.Context(), documents[0])
		if err != nil || outcome != write.Unchanged {
			t.Errorf("again %s: %v, %v", text, outcome, err)
		}
	}
	f.wantQuiet()
}

func TestVerdict(t *testing.T) {
	const loop = "refused: a.b: " + loopReason
	var many, texts []string
	for i := range mostRefusals + 3 {
		texts = append(texts, fmt.Sprintf("127.0.0.%d: a loopback address", i))
		many = append(many, refusal+texts[i])
	}
	for name, tt := range map[string]struct {
		refused []string
		want    registry.Condition
	}{
		"none":           {nil, registry.Condition{Status: "True", Reason: "NothingRefused", Message: "no endpoint's address is refused"}},
		"loops":          {[]string{loop, loop}, registry.Condition{Status: "False", Reason: "Loop", Message: "a.b: " + loopReason + "; a.b: " + loopReason}},
		"a loop, and an": {[]string{loop, many[0]}, registry.Condition{Status: "False", Reason: "AddressRefused", Message: "a.b: " + loopReason + "; " + texts[0]}},
		"many":           {many, registry.Condition{Status: "False", Reason: "AddressRefused", Message: strings.Join(texts[:mostRefusals], "; ") + "; and 3 more"}},
	} {
		got := verdict(tt.refused)
		tt.want.Type, tt.want.Since = EndpointsAccepted, got.Since
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
