package proxyd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/svcreg/svcreg/proxyd/apilisten"
	"github.com/svcreg/svcreg/proxyd/apiproxy"
	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/proxyd/apiview"
	"github.com/svcreg/svcreg/proxyd/events"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// API is what the API can be told: the proxy path, and the registry over HTTP.
type API struct {
	// Config says where it listens, and for whom; an empty Listen means that
	// there is no API.
	apilisten.Config
	// AllowFile says who may do what, see apilisten.Rules; without it who may
	// ask may do all.
	AllowFile string
	// Audit logs each proxied request, and each that asks for a change of the
	// registry.
	Audit bool

	// The rest is for the proxy path: what apiproxy.Config says of each.
	AllowAddresses               []netip.Prefix
	DialTimeout, ResponseTimeout time.Duration
	PassAuthorization, KeepLinks bool
	// BackendCA is a file of the authorities that certificates of endpoints
	// may come from, PEM; the system's where it is empty. BackendInsecure
	// trusts them all.
	BackendCA       string
	BackendInsecure bool
}

func defaultAPI() API {
	return API{Config: apilisten.DefaultConfig(), Audit: true, DialTimeout: apiproxy.DefaultDialTimeout}
}

// api is the API of a program.
type api struct {
	server *apilisten.Server
	view   *apiview.View
}

// openAPI opens the API. Where the default address is taken, which nobody asked
// for, the node does without.
func (p *program) openAPI(ctx context.Context, c *Config, m *metrics) error {
	if c.API.Listen == "" {
		return nil
	}
	layout, err := codec.NewLayout(c.RegistryPrefix)
	if err != nil {
		return settingError("registry-prefix", err)
	}
	guard, err := apilisten.NewGuard(c.API.AllowFile, p.logger)
	if err != nil {
		return apiError(err)
	}
	backends, err := c.API.backendTLS()
	if err != nil {
		return err
	}
	audit := slog.New(slog.DiscardHandler)
	if c.API.Audit {
		audit = apilisten.Audit(p.logger)
	}
	view := apiview.New(apiview.Config{
		Client: p.client, Layout: layout, Near: p.watcher.Snapshot, Logger: p.logger,
		Server: apiserver.Config{
			Store: write.New(p.client, layout, write.Options{}), May: guard.MayReach,
			Events: events.Reader{Client: p.client, Layout: layout},
		},
	})
	listen := c.API.Config
	listen.Logger, listen.Registerer = p.logger, m.registry
	server, err := apilisten.Open(ctx, listen, apiproxy.New(apiproxy.Config{
		Source: view, Other: apilisten.AuditWrites(view, audit), Audit: audit, May: guard.MayProxy,
		AllowAddresses: c.API.AllowAddresses, OwnAddress: c.controls().has,
		PassAuthorization: c.API.PassAuthorization, KeepLinks: c.API.KeepLinks, BackendTLS: backends,
		DialTimeout: c.API.DialTimeout, ResponseTimeout: c.API.ResponseTimeout,
	}))
	if errors.Is(err, syscall.EADDRINUSE) && listen.Listen == defaultAPI().Listen {
		p.logger.Error("the API is off, as another program listens there: another --api-listen, or an empty one, ends this", "address", listen.Listen)
		return nil
	}
	if err != nil {
		return apiError(err)
	}
	p.api = &api{server, view}
	return nil
}

// backendTLS returns whom the proxy path trusts; nil for the system's
// authorities.
func (a *API) backendTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.BackendInsecure} //nolint:gosec // the operator says so
	if a.BackendCA == "" {
		return config, nil
	}
	content, err := os.ReadFile(a.BackendCA)
	if err != nil {
		return nil, settingError("api-backend-ca", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(content) {
		return nil, settingError("api-backend-ca", want(a.BackendCA, "a file of PEM certificates"))
	}
	return config, nil
}
