package svcreg

import (
	"context"
	"errors"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// A service that stands for something outside is an alias of it.
func TestExternalName(t *testing.T) {
	const (
		external = "external.my-ns.svc.cluster.local."
		cname    = external + " 5 IN CNAME www.example.org."
	)
	run(t, loaded(t, theZones...), []question{
		{external, dns.TypeA, lines(cname, "www.example.org. 300 IN A 203.0.113.80")},
		{"External.my-ns.cluster.local.", dns.TypeA, lines("External.my-ns.cluster.local. 5 IN CNAME www.example.org.", "www.example.org. 300 IN A 203.0.113.80")},
		{external, dns.TypeANY, lines(cname)},
		{"_http._tcp." + external, dns.TypeSRV, nxDomain},
		{"external-inside.my-ns.svc.cluster.local.", dns.TypeA, lines(
			"external-inside.my-ns.svc.cluster.local. 5 IN CNAME my-service.my-ns.svc.cluster.local.",
			"my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"external-inside.my-ns.svc.cluster.local.", dns.TypeAAAA, lines(
			"external-inside.my-ns.svc.cluster.local. 5 IN CNAME my-service.my-ns.svc.cluster.local.", "ns: SOA")},
		{"self.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL aa\nself.my-ns.svc.cluster.local. 5 IN CNAME self.my-ns.svc.cluster.local."},
	})
}

// A service that stands for something outside, has ports and a portal IP is one
// like the others. Without one of the two it is an alias, as with "None".
func TestExternalNameWithPortalIP(t *testing.T) {
	spec := func(name, more string) string {
		return "---\nkind: Service\napiVersion: v1\nmetadata: {name: " + name + ", namespace: my-ns}\nspec: {type: ExternalName, externalName: db.example.org" + more + "}\n"
	}
	const ports = ", ports: [{name: pg, port: 5432}]"
	all := spec("lifted", ports+", clusterIP: 10.0.0.20") + spec("ports", ports) + spec("none", ports+", clusterIP: None") + spec("portless", ", clusterIP: 10.0.0.21")
	h := filtered(t, "", all)
	const name = "lifted.my-ns.svc.cluster.local."
	alias := func(name string) question {
		name += ".my-ns.svc.cluster.local."
		return question{name, dns.TypeCNAME, lines(name + " 5 IN CNAME db.example.org.")}
	}
	run(t, h, []question{
		{name, dns.TypeA, lines(name + " 5 IN A 10.0.0.20")},
		{name, dns.TypeANY, lines(name + " 5 IN A 10.0.0.20")},
		{"_pg._tcp." + name, dns.TypeSRV, lines("_pg._tcp."+name+" 5 IN SRV 0 100 5432 "+name, "extra: "+name+" 5 IN A 10.0.0.20")},
		{"20.0.0.10.in-addr.arpa.", dns.TypePTR, lines("20.0.0.10.in-addr.arpa. 5 IN PTR " + name)},
		alias("ports"), alias("none"), alias("portless"),
	})
	h = filtered(t, "ignore empty_service", all)
	check(t, h, map[string]string{"lifted.my-ns.svc": "NXDOMAIN"})
	run(t, h, []question{alias("ports")})
	public := filtered(t, "public example.org", spec("lifted", ports+", clusterIP: 10.0.0.20, externalIPs: [203.0.113.9]"))
	run(t, public, []question{{"lifted.my-ns.example.org.", dns.TypeA, lines("lifted.my-ns.example.org. 5 IN A 203.0.113.9")}})
}

// Aliases that lead to each other end.
func TestExternalNameLoop(t *testing.T) {
	run(t, loaded(t, theZones...), []question{
		{"loop-a.my-ns.svc.cluster.local.", dns.TypeA, "SERVFAIL aa\nloop-a.my-ns.svc.cluster.local. 5 IN CNAME loop-b.my-ns.svc.cluster.local."},
	})
}

// What is said about an alias's target is said about the alias.
func TestExternalNameTarget(t *testing.T) {
	const name = "gone.my-ns.svc.cluster.local."
	const gone = `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "gone", "namespace": "my-ns"},
		"spec": {"type": "ExternalName", "externalName": "gone.example.org"}}`
	cname := "\n" + name + " 5 IN CNAME gone.example.org."
	for _, tt := range []struct {
		name   string
		answer *dns.Msg
		err    error
		want   string
	}{
		{"does not exist", &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeNameError}}, nil, "NXDOMAIN aa" + cname},
		{"can not be asked", &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeServerFailure}}, nil, "SERVFAIL aa" + cname},
		{"is not served here", &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeRefused}}, nil, "NOERROR aa" + cname},
		{"no answer", nil, nil, "NOERROR aa" + cname},
		{"no server", nil, errors.New("no full server is running"), "NOERROR aa" + cname},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newTestServer(theZones...)
			h.update(registrytest.Snapshot(t, gone), nil)
			h.upstream = lookupFunc(func(context.Context, request.Request, string, uint16) (*dns.Msg, error) {
				return tt.answer, tt.err
			})
			if got := text(ask(t, h, name, dns.TypeA)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Where a part of what a name leads to is missing the answer says so.
func TestTruncatedTargets(t *testing.T) {
	h := newTestServer(theZones...)
	h.update(registrytest.Snapshot(t, manifests+"\n---\n"+hostManifests), nil)
	for _, truncated := range []bool{true, false} {
		h.upstream = lookupFunc(func(_ context.Context, _ request.Request, name string, _ uint16) (*dns.Msg, error) {
			return &dns.Msg{MsgHdr: dns.MsgHdr{Truncated: truncated}, Answer: []dns.RR{test.A(name + " 300 IN A 203.0.113.80")}}, nil
		})
		for _, name := range []string{"external.my-ns.svc.cluster.local.", "mixed.my-ns.svc.cluster.local."} {
			if m := ask(t, h, name, dns.TypeA); m.Truncated != truncated || len(m.Answer) < 2 {
				t.Errorf("%s: truncated: %v, want %v: %v", name, m.Truncated, truncated, m.Answer)
			}
		}
	}
}

// The number of lookups below each other is counted over all plugins.
func TestExternalNameDepth(t *testing.T) {
	h := loaded(t, theZones...)
	h.upstream = lookupFunc(func(context.Context, request.Request, string, uint16) (*dns.Msg, error) {
		t.Error("looked up once more")
		return nil, nil
	})
	ctx := context.WithValue(t.Context(), dnsserver.LoopKey{}, maxAliases)
	rec := dnstest.NewRecorder(&test.ResponseWriter{})
	r := new(dns.Msg).SetQuestion("external.my-ns.svc.cluster.local.", dns.TypeA)
	if _, err := h.ServeDNS(ctx, rec, r); err != nil || rec.Msg.Rcode != dns.RcodeServerFailure {
		t.Errorf("got %v, error %v", rec.Msg, err)
	}
}

type lookupFunc func(context.Context, request.Request, string, uint16) (*dns.Msg, error)

func (f lookupFunc) Lookup(ctx context.Context, state request.Request, name string, qtype uint16) (*dns.Msg, error) {
	return f(ctx, state, name, qtype)
}
