package external

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// outsider returns the manifest of a service that stands for a name; more are
// fields of its spec.
func outsider(name, target, more string) string {
	return fmt.Sprintf(`{"kind":"Service","apiVersion":"v1","metadata":{"name":%q,"namespace":"my-ns"},"spec":{"type":"ExternalName","externalName":%q%s}}`, name, target, more)
}

const dbPorts = `,"ports":[{"name":"db","port":5432},{"name":"web","port":80,"targetPort":8080}]`

// portals returns the portal IPs of a service as it is stored.
func (f *fleet) portals(name string) []netip.Addr {
	f.t.Helper()
	ref := registry.Ref{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: name}}
	response, err := f.client.Get(f.t.Context(), f.layout.Key(ref))
	if err != nil || len(response.Kvs) == 0 {
		return nil
	}
	o, err := codec.Decode(ref, response.Kvs[0].Value)
	if err != nil {
		f.t.Fatal(err)
	}
	return o.(*registry.Service).PortalIPs
}

// lifted waits until a service has a portal IP.
func (f *fleet) lifted(name string) (addr netip.Addr) {
	f.t.Helper()
	f.await(func() string {
		all := f.portals(name)
		if len(all) != 1 {
			return fmt.Sprintf("%s: portal IPs %v, want one", name, all)
		}
		addr = all[0]
		return ""
	})
	return addr
}

// A service that stands for a name and has ports gets a portal IP as soon as
// somebody stands behind the name, and keeps it while the name leads elsewhere,
// or nowhere. Its endpoints are the name's.
func TestLift(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(outsider("db", "DB.example.com.", dbPorts))
	f.start()
	f.want("db", "nobody", "not resolved: db.example.com: the name doesn't exist")
	if all := f.portals("db"); all != nil {
		t.Errorf("portal IPs %v of a name that nobody has", all)
	}
	f.dns.set("db.example.com. 0 A 192.0.2.1", "db.example.com. 0 AAAA 2001:db8::1")
	addr := f.lifted("db")
	f.want("db", "192.0.2.1:5432", "192.0.2.1:8080") // of the family that it has
	target := registry.Target{Kind: registry.TargetHost, Key: registry.Key{Name: "db.example.com"}}
	if got := f.slices("db")[0].Subsets[0].Endpoints[0].Target; got != target {
		t.Errorf("an endpoint's name is %+v, want %+v", got, target)
	}
	f.dns.set("db.example.com. 0 A 192.0.2.2")
	f.want("db", "192.0.2.2:5432", "192.0.2.2:8080")
	f.dns.set("db.example.com. 0 AAAA 2001:db8::2")
	f.want("db", "nobody", "not used: db.example.com has only addresses of another family than the service")
	f.put(strings.Replace(outsider("db", "gone.example.com", dbPorts), `"spec":{`, `"spec":{"clusterIP":"`+addr.String()+`",`, 1))
	f.want("db", "nobody", "not resolved: gone.example.com: the name doesn't exist")
	if again := f.lifted("db"); again != addr {
		t.Errorf("the portal IP went from %v to %v", addr, again)
	}
	f.stop()
	f.start()
	f.dns.set("gone.example.com. 0 A 192.0.2.3")
	f.want("db", "192.0.2.3:5432", "192.0.2.3:8080")
	f.delete(registry.KindService, "db")
	f.want("db", "")
}

// An alias stays one without ports, where it says so, and where it stands for a
// service of the registry, whose portal IP can't be an endpoint.
func TestStaysAlias(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 60 A 192.0.2.1", "db.example.com. 60 AAAA 2001:db8::1", "web.my-ns.svc.cluster.local. 60 A 10.96.0.9")
	f.put(outsider("bare", "db.example.com", ""), outsider("none", "db.example.com", dbPorts+`,"clusterIP":"None"`),
		outsider("inside", "web.my-ns.svc.cluster.local", dbPorts), outsider("itself", "itself.my-ns.svc.cluster.local", dbPorts),
		svc("web", "10.96.0.9"), outsider("db", "db.example.com", dbPorts))
	f.start()
	f.lifted("db")
	f.want("bare", "")
	f.want("none", "192.0.2.1:5432", "192.0.2.1:8080", "[2001:db8::1]:5432", "[2001:db8::1]:8080") // for the proxy path
	f.want("inside", "nobody", "refused: web.my-ns.svc.cluster.local is 10.96.0.9: the portal IP of my-ns/web")
	f.want("itself", "nobody", "refused: itself.my-ns.svc.cluster.local: it leads back to the service itself")
	for _, name := range []string{"bare", "none", "inside", "itself"} {
		if all := f.portals(name); all != nil {
			t.Errorf("%s has portal IPs %v", name, all)
		}
	}
}

// Where all portal IPs are held it is said why there is none, and an address
// that is set free is taken. The endpoints are there all the same.
func TestLiftWaits(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.MaxTTL = 100 * time.Millisecond
	f.dns.set("db.example.com. 60 A 192.0.2.1")
	f.put(`{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"kubernetes"},"spec":{"cidrs":["10.96.0.0/30"]}}`,
		svc("a", "10.96.0.1"), svc("b", "10.96.0.2"), outsider("db", "db.example.com", dbPorts))
	f.start()
	f.want("db", "192.0.2.1:5432", "192.0.2.1:8080", "no portal IP: portal network 10.96.0.0/30 is full: all 2 addresses are held")
	f.delete(registry.KindService, "a")
	if addr := f.lifted("db"); addr.String() != "10.96.0.1" {
		t.Errorf("portal IP %v", addr)
	}
	f.want("db", "192.0.2.1:5432", "192.0.2.1:8080")
}
