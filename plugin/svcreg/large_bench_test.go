package svcreg

import (
	"fmt"
	"testing"

	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// packer is a client to which messages are packed.
type packer struct {
	test.ResponseWriter
	buffer []byte
	size   int
}

func (p *packer) WriteMsg(m *dns.Msg) error {
	packet, err := m.PackBuffer(p.buffer)
	p.size = len(packet)
	return err
}

// BenchmarkLarge is a headless service with many endpoints, of which the
// server sends as many as fit: cutting and packing is part of it. All records
// are made, also of what is cut off then: which ones are left is for the
// loadbalance plugin to choose.
func BenchmarkLarge(b *testing.B) {
	k := registry.Key{Namespace: "ns", Name: "large"}
	for _, n := range []int{50, 1000} {
		s := portalService(k, headlessEndpoints(k, 1).Subsets[0].Endpoints[0].Addr)
		s.Headless, s.PortalIPs = true, nil
		h := newTestServer(theZones...)
		h.update(registry.Build(1, s, headlessEndpoints(k, n)), nil)
		for name, r := range map[string]*dns.Msg{
			"A":   new(dns.Msg).SetQuestion("large.ns.svc.cluster.local.", dns.TypeA),
			"SRV": new(dns.Msg).SetQuestion("_http._tcp.large.ns.svc.cluster.local.", dns.TypeSRV),
		} {
			r.SetEdns0(1232, false)
			for _, tcp := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s x%d, TCP %v", name, n, tcp), func(b *testing.B) {
					p := &packer{ResponseWriter: test.ResponseWriter{TCP: tcp}, buffer: make([]byte, dns.MaxMsgSize)}
					b.ReportAllocs()
					for b.Loop() {
						if _, err := h.ServeDNS(b.Context(), request.NewScrubWriter(r, p), r); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(p.size), "octets")
				})
			}
		}
	}
}
