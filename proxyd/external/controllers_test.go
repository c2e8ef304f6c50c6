package external_test

import (
	"context"

	"github.com/svcreg/svcreg/proxyd/endpoints"
	"github.com/svcreg/svcreg/proxyd/external"
)

// The other controller imports this package, whose own tests can't import it.
var _ = external.UseEndpoints(func(ctx context.Context, c external.Config) error {
	return endpoints.Run(ctx, endpoints.Config{Client: c.Client, Layout: c.Layout, Node: c.Node, Logger: c.Logger})
})
