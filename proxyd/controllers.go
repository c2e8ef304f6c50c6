package proxyd

import (
	"context"
	"fmt"
	"maps"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
)

// task is something that runs until its context ends.
type task func(context.Context) error

// controllerParts is what each controller is made with.
type controllerParts struct {
	*Config
	client  *clientv3.Client
	layout  codec.Layout
	node    string
	metrics *metrics
}

// controllers are those that there are, by name, with the tasks that each is
// made of.
var controllers = map[string]func(*controllerParts) []task{
	"external":     func(*controllerParts) []task { return nil },
	"endpoints":    func(*controllerParts) []task { return nil },
	"loadbalancer": func(*controllerParts) []task { return nil },
}

// newControllers returns the tasks of the controllers that are configured.
func newControllers(c *Config, client *clientv3.Client, m *metrics) ([]task, error) {
	layout, err := codec.NewLayout(c.RegistryPrefix)
	if err != nil {
		return nil, settingError("registry-prefix", err)
	}
	node, err := c.nodeName()
	if err != nil {
		return nil, err
	}
	var tasks []task
	for _, name := range c.Controllers {
		tasks = append(tasks, controllers[name](&controllerParts{c, client, layout, node, m})...)
	}
	return tasks, nil
}

// controllerSettings are what the controllers can be told.
func (c *Config) controllerSettings() []Setting {
	return []Setting{
		{Name: "controllers", Usage: "which controllers to run, separated by commas: external, endpoints, loadbalancer; of the nodes that run one, one at a time does its work", Value: list[string]{&c.Controllers, text, "names"}},
	}
}

// validateControllers reports what is wrong with the settings of controllers.
func (c *Config) validateControllers() []error {
	var errs []error
	for i, name := range c.Controllers {
		switch known := slices.Sorted(maps.Keys(controllers)); {
		case !slices.Contains(known, name):
			errs = append(errs, settingError("controllers", oneOf(name, known...)))
		case slices.Contains(c.Controllers[:i], name):
			errs = append(errs, settingError("controllers", fmt.Errorf("%q stands there twice", name)))
		}
	}
	return errs
}
