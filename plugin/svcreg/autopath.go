package svcreg

import (
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// resolvConf is where a server's own search path stands.
const resolvConf = "/etc/resolv.conf"

// AutoPath implements autopath.AutoPather: it returns the search path of a
// client whose namespace is known, or nil. Like the kubernetes plugin's it ends
// with the server's own path, and with "", the name as it is.
func (h *handler) AutoPath(state request.Request) []string {
	name := state.Name()
	for tried := uint64(0); ; {
		i, zone, _ := h.match(name, tried)
		if zone == nil {
			return nil
		}
		if namespace := h.stanzas[i].clientNamespace(state.W); namespace != "" && zone.sort == forwardZone {
			return searchPath(namespace, zone.name, h.search)
		}
		tried |= 1 << i
	}
}

// clientNamespace returns the namespace of whom an answer would go to, or "".
func (s *stanza) clientNamespace(w dns.ResponseWriter) string {
	x := s.index.Load()
	if x == nil || !x.knowsClients {
		return ""
	}
	return x.clientNamespace(clientAddr(w))
}

// searchPath returns where a client in a namespace looks for a name below a
// zone, and after that a client like the server itself.
func searchPath(namespace, zone string, more []string) []string {
	path := make([]string, 0, 4+len(more))
	path = append(path, join(namespace+".svc", zone), join("svc", zone))
	if zone != "." { // that is the name as it is
		path = append(path, zone)
	}
	for _, name := range more {
		path = appendNew(path, name)
	}
	return append(path, "")
}

// hostSearch returns the search path of a file like resolv.conf. A file that
// can't be read has none.
func hostSearch(file string) []string {
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil
	}
	var search []string
	for _, name := range config.Search {
		if name = lower(dns.Fqdn(name)); name != "." {
			search = append(search, name)
		}
	}
	return search
}
