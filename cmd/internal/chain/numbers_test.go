package chain

import (
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// numbers returns the plugin's metrics of a name by the value of a label.
func numbers(t *testing.T, name, label string) map[string]float64 {
	t.Helper()
	return sums(t, scrape(t), "coredns_svcreg_"+name, label)
}

// sums returns the sums of the metrics of a name on a page by the value of a
// label.
func sums(t *testing.T, page, name, label string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(page) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(series, name+"{") {
			continue
		}
		_, at, _ := strings.Cut(series, label+`="`)
		at, _, _ = strings.Cut(at, `"`)
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all[at] += n
	}
	return all
}

// number returns the sum of the plugin's metrics of a name, and whether there
// are any.
func number(t *testing.T, name string) (sum float64, ok bool) {
	t.Helper()
	all := numbers(t, name, "no label")
	for v := range maps.Values(all) {
		sum += v
	}
	return sum, len(all) > 0
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; metrics:\n%s", what, scrape(t))
		}
	}
}

// Requests are counted by what became of them, and on over a reload; those of
// one server block are not those of another.
func TestRequestMetrics(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	config := corefile(etcd.Endpoint(), "fallthrough in-addr.arpa")
	s := start(t, config)
	ask := func(times int, name string, qtype uint16) {
		for range times {
			if _, err := s.exchange("udp", name, qtype, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := numbers(t, "requests_total", "answer")
	round := func() {
		ask(1, mySvc, dns.TypeA)
		ask(2, mySvc, dns.TypeAAAA)
		ask(3, "nothing.my-ns.svc.cluster.local.", dns.TypeA)
		ask(4, "9.9.9.9.in-addr.arpa.", dns.TypePTR)
		ask(5, "www.example.org.", dns.TypeA) // none of its zones
	}
	round()
	if err := s.reload(config); err != nil {
		t.Fatal(err)
	}
	round()
	got := numbers(t, "requests_total", "answer")
	for answer, n := range before {
		got[answer] -= n
	}
	want := map[string]float64{"records": 2, "nodata": 4, "nxdomain": 6, "fallthrough": 8, "refused": 0, "servfail": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// Every change that is watched is measured, by the kind of its service.
func TestProgrammingMetrics(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/listed", service("listed", "10.0.0.10"))
	start(t, corefile(etcd.Endpoint(), "namespaces my-ns"))
	eventually(t, "following", func() bool { n, _ := number(t, "synced"); return n == 1 })

	v1 := func(name, spec string) {
		etcd.put("specs/my-ns/"+name, fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1", "spec": {%s}}`, spec))
	}
	slice := func(service, annotation string) {
		key := "/registry/endpointslices/my-ns/" + service + "-1"
		value := fmt.Sprintf(`{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
			"metadata": {"labels": {"kubernetes.io/service-name": %q}, "annotations": {%s}},
			"endpoints": [{"addresses": ["192.0.2.1"]}]}`, service, annotation)
		if _, err := etcd.Client().Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	etcd.put("specs/my-ns/portal", service("portal", "10.0.0.11"))
	etcd.put("endpoints/my-ns/portal", endpoints("portal", "192.0.2.1:80"))
	v1("selected", `"clusterIP": "None", "selector": {"app": "web"}`)
	v1("by-hand", `"clusterIP": "None"`)
	slice("by-hand", "")
	v1("outside", `"type": "ExternalName", "externalName": "www.example.org"`)
	etcd.put("endpoints/my-ns/nobody", endpoints("nobody", "192.0.2.1:80")) // of no service
	etcd.put("specs/other-ns/hidden", service("hidden", "10.0.0.12"))       // not served
	began := time.Now().Add(-time.Millisecond)
	time.Sleep(time.Until(began.Add(50 * time.Millisecond))) // the endpoints controller takes its time
	slice("selected", fmt.Sprintf(`"endpoints.kubernetes.io/last-change-trigger-time": %q`, began.Format(time.RFC3339Nano)))
	etcd.delete("specs/my-ns/portal")

	want := map[string]float64{"cluster_ip": 3, "headless_with_selector": 2, "headless_without_selector": 2, "external_name": 1}
	eventually(t, "all changes", func() bool {
		return cmp.Equal(want, numbers(t, "dns_programming_duration_seconds_count", "service_kind"))
	})
	for kind, seconds := range numbers(t, "dns_programming_duration_seconds_sum", "service_kind") {
		if kind == "headless_with_selector" && seconds < 0.05 {
			t.Errorf("%s: %v s, want what the annotation says", kind, seconds)
		}
		if seconds <= 0 || seconds > 30 {
			t.Errorf("%s: %v s", kind, seconds)
		}
	}
}

// The metrics say how old the answers are: while etcd is followed, after it
// has lost its data, and after a start from the file with etcd away.
func TestAgeMetrics(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	config := corefile(etcd.Endpoint(), "startup_timeout 10s\nsnapshot "+filepath.Join(t.TempDir(), "snapshot"))
	s := start(t, config)
	eventually(t, "following, and the file", func() bool {
		synced, _ := number(t, "synced")
		_, saved := number(t, "snapshot_file_age_seconds")
		return synced == 1 && saved
	})
	if age, ok := number(t, "snapshot_age_seconds"); !ok || age > 3 {
		t.Errorf("followed, and %v s old", age)
	}
	etcd.Reset() // and nothing is taken from one that has lost its data
	eventually(t, "the loss", func() bool { n, _ := number(t, "watch_restarts_total"); return n == 1 })
	age, _ := number(t, "snapshot_age_seconds")
	eventually(t, "growing older", func() bool { now, _ := number(t, "snapshot_age_seconds"); return now > age+0.1 })
	etcd.Stop()
	s.stop()
	if _, ok := number(t, "snapshot_age_seconds"); ok {
		t.Error("a server that was stopped has an age")
	}
	s = start(t, config)
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	age, _ = number(t, "snapshot_age_seconds")
	fileAge, _ := number(t, "snapshot_file_age_seconds")
	if age <= 0 || fileAge <= 0 || age > fileAge+1 || fileAge > age+1 {
		t.Errorf("from the file, which is %v s old, and %v s old", fileAge, age)
	}
	if objects := numbers(t, "objects", "kind")["Service"]; objects != 1 {
		t.Errorf("%v services are known, want 1", objects)
	}
}

// What is taken over at a reload without etcd is as old as it was, however
// often it is taken over.
func TestInherited(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	config := corefile(etcd.Endpoint(), "startup_timeout 100ms")
	s := start(t, config)
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	revision, _ := number(t, "revision")
	etcd.Stop()
	var age float64
	for i := range 3 {
		if err := s.reload(config); err != nil {
			t.Fatal(err)
		}
		if got := s.answer("udp", mySvc, dns.TypeA); got != "10.0.0.11" {
			t.Errorf("after %d reloads: %s", i+1, got)
		}
		now, _ := number(t, "snapshot_age_seconds")
		if now <= age {
			t.Errorf("after %d reloads: %v s old, before %v", i+1, now, age)
		}
		age = now
		if got, _ := number(t, "revision"); got != revision {
			t.Errorf("after %d reloads: revision %v, want %v", i+1, got, revision)
		}
	}
	etcd.Restart()
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.12"))
	s.want(mySvc, dns.TypeA, "10.0.0.12")
}
