package etcd

import (
	"crypto/x509"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	// keepaliveTime is how long a connection with a call under way may be
	// silent before it is probed. gRPC allows no less.
	keepaliveTime = 10 * time.Second
	// keepaliveTimeout is how long a probe, or any sent data, may stay
	// unacknowledged before the connection is given up.
	keepaliveTimeout = 3 * time.Second
	// maxReconnectDelay bounds the pause between two attempts to reach a
	// member. gRPC's own default, two minutes, is how long clients would stay
	// away from an etcd that is back.
	maxReconnectDelay = 2 * time.Second
)

var emptyPool = x509.NewCertPool()

// Connect returns a client that spreads its calls over the members. It
// contacts nobody yet, so it succeeds with every member away; credentials are
// checked by the first call. The caller closes the client.
//
// Connections without a call aren't probed: an etcd server takes that for
// abuse and hangs up.
func Connect(c Config) (*clientv3.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	config, err := c.clientConfig()
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	client, err := clientv3.New(*config)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	if c.Username != "" {
		// The etcd client would block in New to get a token. Given a token
		// it doesn't; once that one is refused it gets one by itself.
		client.Token, client.Username, client.Password = "", c.Username, c.Password
	}
	return client, nil
}

// placeholderToken is refused by every etcd that has authentication on, and
// ignored by the others.
const placeholderToken = "none-yet"

func (c Config) clientConfig() (*clientv3.Config, error) {
	endpoints := make([]string, len(c.Endpoints))
	var secure bool
	for i := range c.Endpoints {
		e, err := c.endpoint(i)
		if err != nil {
			return nil, err
		}
		endpoints[i], secure = e.String(), e.secure
	}
	config, err := clientv3.NewClientConfig(&clientv3.ConfigSpec{
		Endpoints:        endpoints,
		KeepAliveTime:    keepaliveTime,
		KeepAliveTimeout: keepaliveTimeout,
		Secure: &clientv3.SecureConfig{
			Cert: c.Cert, Key: c.Key, Cacert: c.CACert, InsecureTransport: !secure,
		},
	}, zap.NewNop())
	if err != nil {
		return nil, err
	}
	if c.Username != "" {
		config.Token = placeholderToken
	}
	config.Logger = zap.NewNop()
	config.DialOptions = []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnectDelay},
		MinConnectTimeout: 3 * time.Second,
	})}
	return config, nil
}
