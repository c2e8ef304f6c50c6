package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/write"
)

// connection is how to reach the registry: flags that are named as etcdctl's
// are, and its ETCDCTL_* variables where a flag is not given.
type connection struct {
	flags          *pflag.FlagSet
	endpoints      []string
	cacert         string
	cert, key      string
	user, password string
	prefix         string
	dialTimeout    time.Duration
	commandTimeout time.Duration
}

func (c *connection) addFlags(flags *pflag.FlagSet) {
	c.flags = flags
	flags.StringSliceVar(&c.endpoints, "endpoints", []string{"http://127.0.0.1:2379"}, "etcd `URL`s")
	flags.StringVar(&c.cacert, "cacert", "", "`FILE` of the authorities that sign etcd's certificates")
	flags.StringVar(&c.cert, "cert", "", "`FILE` of the certificate to show to etcd")
	flags.StringVar(&c.key, "key", "", "`FILE` of the certificate's key")
	flags.StringVar(&c.user, "user", "", "etcd `USER[:PASSWORD]`")
	flags.StringVar(&c.password, "password", "", "etcd `PASSWORD`, better given as ETCDCTL_PASSWORD")
	flags.StringVar(&c.prefix, "registry-prefix", codec.DefaultPrefix, "`PREFIX` of the registry's keys")
	flags.DurationVar(&c.dialTimeout, "dial-timeout", 5*time.Second, "how long to wait for etcd to answer at all")
	flags.DurationVar(&c.commandTimeout, "command-timeout", 10*time.Second, "how long one read or write may take")
}

// fromEnvironment sets the flags that weren't given from etcdctl's variables.
func (c *connection) fromEnvironment(getenv func(string) string) error {
	for _, name := range []string{"endpoints", "cacert", "cert", "key", "user", "password", "dial-timeout", "command-timeout"} {
		variable := "ETCDCTL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		value := getenv(variable)
		if value == "" || c.flags.Changed(name) {
			continue
		}
		if err := c.flags.Set(name, value); err != nil {
			return usagef("%s: %w", variable, err)
		}
	}
	return nil
}

// registryClient is a registry that answers.
type registryClient struct {
	*clientv3.Client
	layout  codec.Layout
	timeout time.Duration // of one read or write
}

// open connects to the registry and waits until etcd answers. The caller
// closes what is returned.
func (a *app) open(ctx context.Context) (*registryClient, error) {
	c := &a.connection
	if err := c.fromEnvironment(a.getenv); err != nil {
		return nil, err
	}
	layout, err := codec.NewLayout(c.prefix)
	if err != nil {
		return nil, &usageError{err}
	}
	config := etcd.Config{Endpoints: c.endpoints, Username: c.user, Password: c.password, CACert: c.cacert, Cert: c.cert, Key: c.key}
	if user, password, ok := strings.Cut(c.user, ":"); ok {
		config.Username, config.Password = user, password
	}
	client, err := etcd.Connect(config)
	if err != nil {
		return nil, &usageError{err}
	}
	if err := c.probe(ctx, client, layout); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &registryClient{client, layout, c.commandTimeout}, nil
}

// probe asks etcd anything. A refusal by etcd is an answer, too: the command
// itself will be told what it may not do.
func (c *connection) probe(ctx context.Context, client *clientv3.Client, layout codec.Layout) error {
	waiting, cancel := context.WithTimeout(ctx, c.dialTimeout)
	defer cancel()
	_, err := client.Get(waiting, layout.Prefix()+"/svcreg/", clientv3.WithKeysOnly())
	switch {
	case err == nil, errors.Is(err, rpctypes.ErrPermissionDenied):
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded, status.Code(err) == codes.Unavailable:
		return fmt.Errorf("etcd at %s does not answer within %s: %s", strings.Join(c.endpoints, ", "), c.dialTimeout, c.why(ctx))
	}
	return fmt.Errorf("etcd at %s: %w", strings.Join(c.endpoints, ", "), err)
}

// why returns what keeps etcd from answering, as far as a plain connection to
// each endpoint shows: gRPC doesn't tell.
func (c *connection) why(ctx context.Context) string {
	for _, endpoint := range c.endpoints {
		_, address, found := strings.Cut(endpoint, "://")
		if !found {
			address = endpoint
		}
		dialer := net.Dialer{Timeout: time.Second}
		socket, err := dialer.DialContext(ctx, "tcp", strings.TrimSuffix(address, "/"))
		if err != nil {
			return err.Error()
		}
		_ = socket.Close()
	}
	return "it takes connections, but doesn't answer: is it etcd, and are TLS settings right?"
}

// within returns a context for one read or write.
func (r *registryClient) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.timeout)
}

// explain adds to an error what a user can do about it.
func (c *connection) explain(err error) error {
	switch {
	case write.IsForeign(err):
		return fmt.Errorf("%w (--write-to-kubernetes overrides this)", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: etcd at %s did not answer within %s", err, strings.Join(c.endpoints, ", "), c.commandTimeout)
	}
	return err
}
