package write_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

func TestApplyAllocates(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", ""))
	addr := s.portalIPs("my-ns", "web")
	if !netip.MustParsePrefix("10.0.0.0/24").Contains(netip.MustParseAddr(addr)) {
		t.Errorf("portal IP %s", addr)
	}
	if got := s.holder(addr); got != "my-ns/web" {
		t.Errorf("the IPAddress of %s names %q", addr, got)
	}
	if value := s.get("/registry/services/specs/my-ns/web"); !strings.Contains(value, `"portalIP":"`+addr+`"`) {
		t.Errorf("stored: %s", value)
	}
}

func TestApplyOutcomes(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", ""))
	addr := s.portalIPs("my-ns", "web")
	revision := s.revision()
	s.want(write.Unchanged, v1beta1("web", ""))
	if s.revision() != revision {
		t.Error("an unchanged service was written")
	}
	s.want(write.Configured, v1beta1("web", `, "containerPort": 8080`))
	if got := s.portalIPs("my-ns", "web"); got != addr {
		t.Errorf("the portal IP went from %s to %s", addr, got)
	}
}

func TestApplyOtherKinds(t *testing.T) {
	s := newStore(t)
	endpoints := `{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "web", "endpoints": ["192.0.2.1:80"]}`
	s.want(write.Created, endpoints)
	s.want(write.Unchanged, endpoints)
	s.want(write.Configured, strings.Replace(endpoints, "2.1", "2.2", 1))
	if value := s.get("/registry/services/endpoints/default/web"); !strings.Contains(value, "192.0.2.2:80") {
		t.Errorf("stored: %s", value)
	}
}

func TestApplyLeavesAloneWhoWantsNoAddress(t *testing.T) {
	s := newStore(t) // not even initialised
	s.want(write.Created, v1beta1("headless", `, "portalIP": "None"`))
	s.want(write.Created, `
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: www.example.org}`)
	if got := s.portalIPs("default", "outside") + s.portalIPs("my-ns", "headless"); got != "" {
		t.Errorf("portal IPs %s", got)
	}
}

func TestApplyWithoutInit(t *testing.T) {
	s := newStore(t)
	err := s.refused(v1beta1("web", ""), "Service my-ns/web", "svcctl init")
	if !errors.Is(err, write.ErrNotInitialised) {
		t.Errorf("%v is not ErrNotInitialised", err)
	}
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.11"`))
	if got := s.holder("10.0.0.11"); got != "my-ns/web" {
		t.Errorf("a named address is held by %q", got)
	}
}

func TestApplyNamedAddress(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	named := func(name, addr string) string { return v1beta1(name, `, "portalIP": "`+addr+`"`) }
	s.want(write.Created, named("web", "10.0.0.11"))

	err := s.refused(named("other", "10.0.0.11"), "portal IP 10.0.0.11 is taken: service my-ns/web holds it")
	if !write.IsTaken(err) {
		t.Errorf("%v is not a TakenError", err)
	}
	s.refused(named("other", "10.1.0.11"), "portal IP 10.1.0.11: want an address of the portal network 10.0.0.0/24")
	s.refused(named("other", "10.0.0.0"), "it is the first or the last of the portal network 10.0.0.0/24")
	s.refused(named("other", "10.0.0.255"), "it is the first or the last of the portal network 10.0.0.0/24")

	s.want(write.Configured, named("web", "10.0.0.12"))
	if old, now := s.holder("10.0.0.11"), s.holder("10.0.0.12"); old != "" || now != "my-ns/web" {
		t.Errorf("after the change the old address is held by %q, the new one by %q", old, now)
	}
	s.want(write.Created, named("other", "10.0.0.11"))
}

func TestApplyTakesAddressFromServiceThatBecomesHeadless(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.11"`))
	s.want(write.Configured, v1beta1("web", `, "portalIP": "None"`))
	if got := s.holder("10.0.0.11"); got != "" {
		t.Errorf("a headless service holds 10.0.0.11")
	}
	s.want(write.Configured, `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: my-ns}
spec: {clusterIP: 10.0.0.12, ports: [{port: 80}]}`)
	s.want(write.Configured, `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: my-ns}
spec: {type: ExternalName, externalName: www.example.org}`)
	if got := s.holder("10.0.0.12"); got != "" {
		t.Errorf("an ExternalName service holds 10.0.0.12")
	}
}

func TestApplyDualStack(t *testing.T) {
	s := newStore(t, "10.0.0.0/30", "fd00::/126")
	both := `
apiVersion: v1
kind: Service
metadata: {name: both}
spec: {ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}`
	s.want(write.Created, both)
	s.want(write.Unchanged, both)
	addrs := strings.Fields(s.portalIPs("default", "both"))
	if len(addrs) != 2 || !strings.HasPrefix(addrs[0], "10.0.0.") || !strings.HasPrefix(addrs[1], "fd00::") {
		t.Fatalf("portal IPs %v", addrs)
	}
	for _, addr := range addrs {
		if got := s.holder(addr); got != "default/both" {
			t.Errorf("%s is held by %q", addr, got)
		}
	}
	s.want(write.Created, v1beta1("single", ""))
	if got := s.portalIPs("my-ns", "single"); !strings.HasPrefix(got, "10.0.0.") {
		t.Errorf("a service that asks for no family got %s", got)
	}
	s.want(write.Created, `
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {ipFamilies: [IPv6], ports: [{port: 80}]}`)
	if got := s.portalIPs("default", "six"); !strings.HasPrefix(got, "fd00::") {
		t.Errorf("a service that asks for IPv6 got %s", got)
	}
}

func TestApplyFullNetwork(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.want(write.Created, v1beta1("one", ""))
	s.want(write.Created, v1beta1("two", ""))
	err := s.refused(v1beta1("three", ""), "portal network 10.0.0.0/30 is full: all 2 addresses are held")
	if !write.IsFull(err) {
		t.Errorf("%v is not a FullError", err)
	}
	s.want(write.Configured, v1beta1("two", `, "labels": {"a": "b"}`))
	s.must(s.another(write.Options{}).Delete(t.Context(), serviceRef("my-ns", "one")))
	s.want(write.Created, v1beta1("three", "")) // though this Writer saw it full
}

func TestApplyHandMadeServices(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.put("/registry/services/specs/default/by-hand", `{"kind": "Service", "apiVersion": "v1beta1", "id": "by-hand", "port": 80, "portalIP": "10.0.0.1"}`)
	s.refused(v1beta1("web", `, "portalIP": "10.0.0.1"`), "service default/by-hand holds it")
	s.want(write.Created, v1beta1("web", ""))
	if got := s.portalIPs("my-ns", "web"); got != "10.0.0.2" {
		t.Errorf("got %s, want the only free address", got)
	}
	s.refused(v1beta1("more", ""), "is full")
	s.remove("/registry/services/specs/my-ns/web") // and its IPAddress stays
	s.want(write.Created, v1beta1("more", ""))
	if got := s.portalIPs("my-ns", "more"); got != "10.0.0.2" || s.holder(got) != "my-ns/more" {
		t.Errorf("got %s, held by %q; want the address of the service that was deleted by hand", got, s.holder(got))
	}
}

// TestApplyKeepsAddressOfUnreadableService is about a service that somebody
// damaged: it works on with its last good state, so its address is not free.
func TestApplyKeepsAddressOfUnreadableService(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.1"`))
	s.put("/registry/services/specs/my-ns/web", `{"kind": "Service"`)
	s.refused(v1beta1("other", `, "portalIP": "10.0.0.1"`), "service my-ns/web holds it")
	s.refused(v1beta1("web", ""), "what stands at /registry/services/specs/my-ns/web can't be read, delete it first")
}

func TestApplyRefusesTheAllocatorsRecords(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.refused(`{"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "more"}, "spec": {"cidrs": ["10.1.0.0/24"]}}`, "ServiceCIDR more", "svcctl init")
	s.refused(`{"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": {"resource": "services", "namespace": "a", "name": "b"}}}`, "IPAddress 10.0.0.1")
}

func TestApplyKeepsUnknownFields(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, `
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {team: blue}}
spec: {ports: [{port: 80}], somethingNew: {a: [1, 2]}}`)
	s.want(write.Configured, `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 81}]}`)
	for _, want := range []string{`"somethingNew":{"a":[1,2]}`, `"port":81`} {
		if value := s.get("/registry/services/specs/default/web"); !strings.Contains(value, want) {
			t.Errorf("%s is not in %s", want, value)
		}
	}
}

// TestApplyAcrossVersions replaces a service of 2014 with one of today.
func TestApplyAcrossVersions(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", `, "new": "field"`))
	addr := s.portalIPs("my-ns", "web")
	s.want(write.Configured, `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: my-ns}
spec: {ports: [{port: 80}]}`)
	if got := s.portalIPs("my-ns", "web"); got != addr || s.holder(addr) != "my-ns/web" {
		t.Errorf("the portal IP went from %s to %s, held by %q", addr, got, s.holder(addr))
	}
	if value := s.get("/registry/services/specs/my-ns/web"); !strings.Contains(value, `"apiVersion":"v1"`) || !strings.Contains(value, `"new":"field"`) {
		t.Errorf("stored: %s", value)
	}
}

// TestApplyRefusesWhatIsInvalid goes past svcctl, which would have looked.
func TestApplyRefusesWhatIsInvalid(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.refused(v1beta1("Web_1", ""), "Service my-ns/Web_1: id: Web_1: want")
}

func TestApplyLeavesTheDocumentAsItIs(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	documents, err := codec.ParseDocuments("test.json", []byte(v1beta1("web", "")))
	s.must(err)
	before, err := documents[0].JSON()
	s.must(err)
	_, err = s.Apply(t.Context(), documents[0])
	s.must(err)
	if after, err := documents[0].JSON(); err != nil || string(after) != string(before) {
		t.Errorf("%s became %s (%v)", before, after, err)
	}
}
