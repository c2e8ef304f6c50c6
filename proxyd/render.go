package proxyd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/proxyd/iptables"
	"github.com/svcreg/svcreg/proxyd/nftables"
	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/watch"
)

// Render writes the rules that Run would program on this node, and touches
// nothing; it needs no privilege. The services come from files and
// directories of documents, or from etcd where none are named. Addresses that
// services ask for and don't get stand in comments.
func Render(ctx context.Context, w io.Writer, c Config, files ...string) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.ProxyMode == None {
		return settingError("proxy-mode", errors.New("none programs no rules; want iptables or nftables"))
	}
	snapshot, pools, err := c.snapshot(ctx, files)
	if err != nil {
		return err
	}
	policy, err := c.policy()
	if err != nil {
		return err
	}
	addrs, err := node.Addrs()
	if err != nil {
		return err
	}
	policy.take(&news{addrs: addrs, moved: true, pools: pools, pooled: true}, snapshot)
	return c.render(w, snapshot, policy)
}

// render writes the rules for a registry, under a policy that knows the node.
func (c *Config) render(w io.Writer, snapshot *registry.Snapshot, policy *policy) error {
	ruleset := rules.Compile(snapshot, policy.Policy)
	for _, r := range ruleset.Refusals() {
		if _, err := fmt.Fprintf(w, "# refused: %v\n", r); err != nil {
			return err
		}
	}
	if c.ProxyMode == NFTables {
		return nftables.Render(w, ruleset, c.nftables())
	}
	settings := c.iptables()
	settings.PortalNetworks = snapshot.PortalNetworks()
	return iptables.Render(w, ruleset, settings)
}

// snapshot reads the registry once, and its address pools, which files don't
// have.
func (c *Config) snapshot(ctx context.Context, files []string) (*registry.Snapshot, rules.Pools, error) {
	if len(files) > 0 {
		s, err := fromFiles(files)
		return s, rules.Pools{}, err
	}
	return c.fromEtcd(ctx)
}

// fromEtcd waits until the registry was listed.
func (c *Config) fromEtcd(ctx context.Context) (_ *registry.Snapshot, pools rules.Pools, err error) {
	client, watcher, err := follow(c, watch.Config{})
	if err != nil {
		return nil, rules.Pools{}, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(running) }()
	select {
	case <-watcher.Ready():
		pools, err = readPools(ctx, c, client)
	case <-ctx.Done():
		err = fmt.Errorf("read the registry from %s: %w", strings.Join(c.Etcd.Endpoints, ", "),
			errors.Join(watcher.Status().LastError, context.Cause(ctx)))
	}
	stop()
	return watcher.Snapshot(), pools, errors.Join(err, <-ended)
}

// fromFiles builds a registry out of documents, as if they had been written
// one after the other.
func fromFiles(names []string) (*registry.Snapshot, error) {
	var objects []registry.Object
	for _, name := range names {
		files, err := expand(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			more, err := readObjects(file, int64(len(objects)))
			if err != nil {
				return nil, err
			}
			objects = append(objects, more...)
		}
	}
	return registry.Build(int64(len(objects)), objects...), nil
}

// extensions are those of the files that a directory is searched for.
var extensions = []string{".json", ".yaml", ".yml", ".pb"}

// expand returns a file, or the documents of a directory in the order of
// their names.
func expand(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, err
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(extensions, filepath.Ext(e.Name())) {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: want files that end in %s, found none", name, strings.Join(extensions, ", "))
	}
	return files, nil
}

// readObjects reads a file's documents, numbered on from a revision.
func readObjects(file string, revision int64) ([]registry.Object, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	documents, err := codec.ParseDocuments(file, content)
	if err != nil {
		return nil, err
	}
	var objects []registry.Object
	for _, d := range documents {
		if err := d.Validate(); err != nil {
			return nil, err
		}
		o, err := d.Object()
		if err != nil {
			return nil, err
		}
		revision++
		o.Metadata().CreateRevision, o.Metadata().ModRevision = revision, revision
		objects = append(objects, o)
	}
	return objects, nil
}

// Cleanup removes everything that any proxyd has put into the kernel of this
// node, and nothing else.
func Cleanup(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	return errors.Join(nftables.Cleanup(ctx), removeIPTables(ctx, c.IPTablesBackend))
}
