package external

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// An endpoint given by name has the name's addresses, and follows them; the
// user's object stays as it is; all goes with the name and with the service.
func TestName(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 1 A 192.0.2.1", "db.example.com. 1 AAAA 2001:db8::1")
	f.put(svc("db", "10.96.0.1"), eps("db", "DB.example.com.:5432", "192.0.2.9:5432"))
	before := f.stored(registry.KindEndpoints, "db")
	f.start()
	f.want("db", "192.0.2.1:5432", "192.0.2.9:5432")
	f.dns.set("db.example.com. 1 A 192.0.2.2", "db.example.com. 1 A 192.0.2.3")
	f.want("db", "192.0.2.2:5432", "192.0.2.3:5432", "192.0.2.9:5432")
	if after := f.stored(registry.KindEndpoints, "db"); before != after {
		t.Errorf("the user's object was changed: %s, then %s", before, after)
	}
	f.wantBackends("db", "192.0.2.2:5432", "192.0.2.3:5432", "192.0.2.9:5432")

	f.put(eps("db", "192.0.2.9:5432"))
	f.want("db", "")
	f.wantBackends("db", "192.0.2.9:5432")
	f.put(eps("db", "db.example.com:5432"))
	f.want("db", "192.0.2.2:5432", "192.0.2.3:5432")
	f.delete(registry.KindService, "db")
	f.want("db", "")
	f.await(func() string {
		before := f.dns.queries("db.example.com.")
		f.never("db", "")
		if f.dns.queries("db.example.com.") > before {
			return "the name of a service that is gone is still asked for"
		}
		return ""
	})
	f.dns.set("db.example.com. 1 A 192.0.2.4")
	f.put(svc("db", "10.96.0.1"))
	f.want("db", "192.0.2.4:5432")

	f.stop()
	f.delete(registry.KindService, "db")
	f.delete(registry.KindEndpoints, "db")
	f.start()
	f.want("db", "")
}

// Names stand in the Endpoints and the slices of today's versions too. Of a
// headless service both families count.
func TestNameEverywhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("a.example.com. 60 A 192.0.2.1", "a.example.com. 60 AAAA 2001:db8::1")
	f.put(svc("v1", "None"), `{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"v1","namespace":"my-ns"},
		"subsets":[{"addresses":[{"ip":"a.example.com"}],"notReadyAddresses":[{"ip":"192.0.2.5"}],"ports":[{"name":"a","port":80},{"name":"b","port":81}]}]}`)
	f.put(svc("slice", "fd00::1"), `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"mine","namespace":"my-ns",
		"labels":{"kubernetes.io/service-name":"slice"}},"addressType":"FQDN","endpoints":[{"addresses":["a.example.com"]}],"ports":[{"port":80}]}`)
	f.start()
	f.want("v1", "!192.0.2.5:80", "!192.0.2.5:81", "192.0.2.1:80", "192.0.2.1:81", "[2001:db8::1]:80", "[2001:db8::1]:81")
	f.want("slice", "[2001:db8::1]:80")
	f.wantBackends("slice", "[2001:db8::1]:80", "invalid AddrPort")
}

// What others would refuse in a slice keeps nobody from getting theirs: several
// ports without names, a hostname that is none.
func TestInvalidEndpoints(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 60 A 192.0.2.1")
	f.put(svc("db", "10.96.0.1"), `{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"db","namespace":"my-ns"},
		"subsets":[{"addresses":[{"ip":"db.example.com","hostname":"No_Label"}],"ports":[{"port":80},{"port":81,"name":"other"}]}]}`)
	f.start()
	f.want("db", "192.0.2.1:80")
}

// A service that can't be written is tried again, after pauses that grow.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := registry.Key{Namespace: "my-ns", Name: "web"}
		web := &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: k, Annotations: map[string]string{CheckAnnotation: "?"}}}
		store := &brokenStore{source: source{service: web, remarks: []string{"a remark"}}}
		c := newController(Config{Logger: quiet}.withDefaults(), newMetrics(), store)
		snapshot, changes := (&registry.Snapshot{}).Apply(1, registry.Put(web))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		c.inbox.put(snapshot, changes)
		c.loop(ctx)
		c.running.Wait()
		if store.writes < 15 || store.writes > 40 {
			t.Errorf("%d attempts in ten minutes, want one in about thirty seconds", store.writes)
		}
	})
}

// brokenStore can't be written to.
type brokenStore struct {
	source
	writes int
}

func (b *brokenStore) read(context.Context, registry.Key, []registry.Key) (*source, error) {
	src := b.source
	return &src, nil
}

func (*brokenStore) networks(context.Context) ([]netip.Prefix, error) { return nil, nil }

func (b *brokenStore) lift(context.Context, registry.Key) error { return errors.New("broken") }

func (b *brokenStore) write(context.Context, *change) error {
	b.writes++
	return errors.New("broken")
}

// While a name can't be resolved its last good answer stays, for each family by
// itself, also for the next leader.
func TestLastGoodAnswer(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	good := []string{"db.example.com. 1 A 192.0.2.1", "db.example.com. 1 A 192.0.2.2"}
	f.dns.set(good...)
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:5432"))
	f.start()
	f.want("db", "192.0.2.1:5432", "192.0.2.2:5432")
	stays := func(reason string) {
		t.Helper()
		f.want("db", "192.0.2.1:5432", "192.0.2.2:5432", "not resolved: db.example.com: "+reason+"; the last good answer stays")
	}
	f.dns.fail(dns.RcodeServerFailure)
	stays("SERVFAIL")
	f.stop()
	f.start()
	f.never("db", f.state("db"))
	f.dns.fail(dns.RcodeNameError)
	stays("the name doesn't exist")
	f.dns.set("db.example.com. 1 TXT nothing")
	stays("the name has no address")
	f.dns.set("db.example.com. 1 A 192.0.2.3")
	f.want("db", "192.0.2.3:5432")
}

// A name that never was resolved says so, and is asked for again.
func TestNeverResolved(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:5432", "192.0.2.9:5432"))
	f.start()
	f.want("db", "192.0.2.9:5432", "not resolved: db.example.com: the name doesn't exist")
	f.dns.set("db.example.com. 60 A 192.0.2.1")
	f.want("db", "192.0.2.1:5432", "192.0.2.9:5432")
}

// Long answers come over TCP, aliases are followed, and the shortest TTL counts.
func TestAliasesAndLongAnswers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.MaxTTL = time.Hour
	f.dns.set("db.example.com. 3600 CNAME a.example.net.", "a.example.net. 0 CNAME b.example.net.",
		"b.example.net. 3600 A 192.0.2.1", "b.example.net. 3600 A 192.0.2.2", "b.example.net. 3600 A 192.0.2.3")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:5432"))
	f.start()
	f.want("db", "192.0.2.1:5432", "192.0.2.2:5432", "192.0.2.3:5432")
	f.dns.set("db.example.com. 0 A 192.0.2.4")
	f.want("db", "192.0.2.4:5432")
}

// Addresses that nobody can be reached at are refused, each by itself.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 60 A 192.0.2.1", "db.example.com. 60 A 127.0.0.1", "db.example.com. 60 A 10.96.7.7")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:80", "169.254.169.254:80"))
	f.put(svc("loop", "None"), eps("loop", "loop.my-ns.svc.cluster.local:80"))
	f.put(svc("a", "None"), eps("a", "b.my-ns:80"))
	f.put(svc("b", "None"), eps("b", "a.my-ns.svc.example.org:80"))
	f.dns.set("db.example.com. 60 A 192.0.2.1", "db.example.com. 60 A 127.0.0.1", "db.example.com. 60 A 10.96.7.7",
		"loop.my-ns.svc.cluster.local. 60 A 192.0.2.7", "b.my-ns. 60 A 192.0.2.7", "a.my-ns.svc.example.org. 60 A 192.0.2.7")
	f.start()
	f.want("db", "192.0.2.1:80", "refused: 169.254.169.254: a link-local address",
		"refused: db.example.com is 10.96.7.7: an address of the portal network 10.96.0.0/16",
		"refused: db.example.com is 127.0.0.1: a loopback address")
	f.want("loop", "nobody", "refused: loop.my-ns.svc.cluster.local: it leads back to the service itself")
	f.want("a", "nobody", "refused: b.my-ns: it leads back to the service itself")
	f.want("b", "nobody", "refused: a.my-ns.svc.example.org: it leads back to the service itself")
}

// Who has nothing to be looked after gets no slice, and nothing is read of it.
func TestNothingToDo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(svc("plain", "10.96.0.1"), eps("plain", "192.0.2.1:80", "127.0.0.1:80"))
	f.put(svc("none", "10.96.0.2", CheckAnnotation, "none"), eps("none", "192.0.2.1:80"))
	f.put(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"alias","namespace":"my-ns"},"spec":{"type":"ExternalName","externalName":"example.com"}}`)
	f.start()
	f.put(svc("db", "10.96.0.3"), eps("db", "db.example.com:80"))
	f.dns.set("db.example.com. 60 A 192.0.2.1")
	f.want("db", "192.0.2.1:80")
	for _, name := range []string{"plain", "none", "alias"} {
		f.want(name, "")
	}
}

// A slice that others made under our name stays, and an apiserver's registry is
// left alone.
func TestOthers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 60 A 192.0.2.1")
	f.put(`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"db-external-0-ipv4-0","namespace":"my-ns"},
		"addressType":"IPv4","endpoints":[]}`)
	before := f.stored(registry.KindEndpointSlice, "db-external-0-ipv4-0")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:80"))
	f.start()
	f.put(svc("other", "10.96.0.2"), eps("other", "db.example.com:80"))
	f.want("other", "192.0.2.1:80")
	if after := f.stored(registry.KindEndpointSlice, "db-external-0-ipv4-0"); before != after {
		t.Errorf("a slice of others was changed: %s, then %s", before, after)
	}
}

// In an apiserver's registry nothing is written, not even for an election, and
// that is said once. One that becomes an apiserver's is left.
func TestForeignRegistry(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 0 A 192.0.2.1")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:80"))
	stop := f.run()
	f.want("db", "192.0.2.1:80")
	if _, err := f.client.Put(t.Context(), "/registry/masterleases/192.0.2.1", "k8s\x00"); err != nil {
		t.Fatal(err)
	}
	f.dns.set("db.example.com. 0 A 192.0.2.2")
	const said = "no names are resolved and no endpoints checked"
	f.await(func() string {
		if !strings.Contains(f.log(), said) {
			return "nothing was said"
		}
		return ""
	})
	stop()
	defer f.run()()
	f.await(func() string {
		if n := strings.Count(f.log(), said); n != 2 {
			return fmt.Sprintf("said %d times by two of them", n)
		}
		return ""
	})
	f.never("db", "192.0.2.1:80")
	response, err := f.client.Get(t.Context(), "/registry/svcreg/leaders/", clientv3.WithPrefix())
	if err != nil || len(response.Kvs) > 0 {
		t.Errorf("somebody leads: %v, %v", response, err)
	}
}

// run runs all there is, until the test calls the function that it returns.
func (f *fleet) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Run(ctx, f.config) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("Run: %v", err)
		}
	}
}

// stored returns the value of an object and its revision.
func (f *fleet) stored(kind registry.Kind, name string) string {
	f.t.Helper()
	key := f.layout.Key(registry.Ref{Kind: kind, Key: registry.Key{Namespace: "my-ns", Name: name}})
	response, err := f.client.Get(f.t.Context(), key)
	if err != nil || len(response.Kvs) != 1 {
		f.t.Fatalf("%s: %v", key, err)
	}
	return response.Kvs[0].String()
}

// wantBackends checks whom all others see behind a service.
func (f *fleet) wantBackends(name string, want ...string) {
	f.t.Helper()
	f.await(func() string {
		response, err := f.client.Get(f.t.Context(), "/registry/", clientv3.WithPrefix())
		if err != nil {
			return err.Error()
		}
		var objects []registry.Object
		for _, kv := range response.Kvs {
			if ref, ok := f.layout.Ref(string(kv.Key)); ok {
				if o, err := codec.Decode(ref, kv.Value); err == nil {
					objects = append(objects, o)
				}
			}
		}
		entry := registry.Build(1, objects...).Service(registry.Key{Namespace: "my-ns", Name: name})
		var got []string
		for _, b := range entry.Backends(entry.Ports[0]) {
			got = append(got, b.AddrPort().String())
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Sprintf("%s: backends %v, want %v", name, got, want)
		}
		return ""
	})
}
