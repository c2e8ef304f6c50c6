package proxyd

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// healthChecks tells load balancers whether this node has endpoints of a service
// (healthCheckNodePort): it answers HTTP on a port for each service that wants
// it, at each address of node ports. It belongs to the goroutine of the loop.
type healthChecks struct {
	// ranges are those of the addresses that take node ports; empty for all.
	ranges []netip.Prefix
	// healthy says whether the kernel is in step.
	healthy func() bool
	listen  func(ctx context.Context, at netip.AddrPort) (net.Listener, error)
	logger  *slog.Logger

	last  *rules.Ruleset
	addrs []netip.Addr
	open  map[netip.AddrPort]*healthCheck
	// failed are the sockets that can't be opened, as the log says.
	failed  map[netip.AddrPort]struct{}
	serving sync.WaitGroup
}

func newHealthChecks(ranges []netip.Prefix, healthy func() bool, logger *slog.Logger) *healthChecks {
	return &healthChecks{
		ranges: ranges, healthy: healthy, listen: listenTCP, logger: logger,
		open: map[netip.AddrPort]*healthCheck{}, failed: map[netip.AddrPort]struct{}{},
	}
}

// listenTCP opens a socket; one for all addresses is for both families.
func listenTCP(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	address := at.String()
	if at.Addr().IsUnspecified() {
		address = ":" + strconv.Itoa(int(at.Port()))
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

// update serves the health checks of a ruleset on a node with some addresses.
// It costs nothing where neither has changed.
func (h *healthChecks) update(ctx context.Context, r *rules.Ruleset, addrs []netip.Addr) {
	addrs = h.at(addrs)
	if h.last != nil && !r.HealthChecksDiffer(h.last) && slices.Equal(addrs, h.addrs) {
		h.last = r
		return
	}
	h.last, h.addrs = r, addrs
	wanted := map[netip.AddrPort]rules.HealthCheck{}
	for _, check := range r.HealthChecks() {
		for _, addr := range addrs {
			wanted[netip.AddrPortFrom(addr, check.Port)] = check
		}
	}
	for at, c := range h.open {
		if _, still := wanted[at]; !still {
			c.close()
			delete(h.open, at)
		}
	}
	for at := range h.failed {
		if _, still := wanted[at]; !still {
			delete(h.failed, at)
		}
	}
	for at, check := range wanted {
		h.serve(ctx, at, check)
	}
}

// retry tries once more to open the sockets that could not be opened.
func (h *healthChecks) retry(ctx context.Context) {
	if len(h.failed) == 0 {
		return
	}
	for _, check := range h.last.HealthChecks() {
		for _, addr := range h.addrs {
			if at := netip.AddrPortFrom(addr, check.Port); h.open[at] == nil {
				h.serve(ctx, at, check)
			}
		}
	}
}

// close closes everything, and waits for it.
func (h *healthChecks) close() {
	for _, c := range h.open {
		c.close()
	}
	clear(h.open)
	h.serving.Wait()
}

// at returns where to listen on a node with some addresses.
func (h *healthChecks) at(addrs []netip.Addr) []netip.Addr {
	if len(h.ranges) == 0 {
		return []netip.Addr{netip.IPv6Unspecified()}
	}
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !contains(h.ranges, a) })
}

// serve answers a health check on a socket, which is opened if it isn't yet.
func (h *healthChecks) serve(ctx context.Context, at netip.AddrPort, check rules.HealthCheck) {
	if c := h.open[at]; c != nil {
		c.check.Store(&check)
		return
	}
	l, err := h.listen(ctx, at)
	if err != nil {
		if _, told := h.failed[at]; !told {
			h.logger.Error("a service's health check can't be served; trying again now and then",
				"service", check.Service.String(), "port", check.Port, "err", err)
		}
		h.failed[at] = struct{}{}
		return
	}
	if _, told := h.failed[at]; told {
		delete(h.failed, at)
		h.logger.Info("the service's health check is served now", "service", check.Service.String(), "port", check.Port)
	}
	c := &healthCheck{listener: l, healthy: h.healthy}
	c.check.Store(&check)
	c.server = newHTTP(c)
	h.open[at] = c
	h.serving.Go(func() { _ = c.server.Serve(l) }) // until it is closed
}

// healthCheck answers for one service.
type healthCheck struct {
	listener net.Listener
	server   *http.Server
	healthy  func() bool
	check    atomic.Pointer[rules.HealthCheck]
}

// close closes the socket and all connections: what they asked is of no
// interest any more. The server may not have begun with the listener.
func (c *healthCheck) close() {
	_ = c.listener.Close()
	_ = c.server.Close()
}

// checkReport is the body of an answer, as kube-proxy gives it.
type checkReport struct {
	Service             checkedService `json:"service"`
	LocalEndpoints      int            `json:"localEndpoints"`
	ServiceProxyHealthy bool           `json:"serviceProxyHealthy"`
}

type checkedService struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// ServeHTTP answers 200 where this node has endpoints of the service and its
// kernel knows them, else 503, whatever the path.
func (c *healthCheck) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	check, healthy := c.check.Load(), c.healthy()
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Load-Balancing-Endpoint-Weight", strconv.Itoa(check.Local))
	if check.Local == 0 || !healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// The client may be gone.
	_ = json.NewEncoder(w).Encode(checkReport{checkedService{check.Service.Namespace, check.Service.Name}, check.Local, healthy})
}
