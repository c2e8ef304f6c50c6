package envvars_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/envvars"
	"github.com/svcreg/svcreg/registry"
)

func service(namespace, name, portalIP string, ports ...registry.Port) *registry.Service {
	s := &registry.Service{
		Meta:  registry.Meta{Kind: registry.KindService, Key: registry.Key{Namespace: namespace, Name: name}},
		Type:  registry.ClusterIP,
		Ports: ports,
	}
	if portalIP != "" {
		s.PortalIPs = []netip.Addr{netip.MustParseAddr(portalIP)}
	}
	return s
}

func tcp(name string, port uint16) registry.Port {
	return registry.Port{Name: name, Protocol: registry.TCP, Port: port}
}

func udp(name string, port uint16) registry.Port {
	return registry.Port{Name: name, Protocol: registry.UDP, Port: port}
}

// lines returns variables as an environment has them.
func lines(vars []envvars.Var) []string {
	var out []string
	for _, v := range vars {
		out = append(out, v.Name+"="+v.Value)
	}
	return out
}

func TestOf(t *testing.T) {
	alias, lifted := service("my-ns", "alias", "10.0.0.1"), service("my-ns", "lifted", "10.0.0.2", tcp("", 80))
	alias.Type, lifted.Type = registry.ExternalName, registry.ExternalName
	tests := []struct {
		name     string
		services []registry.Object
		filter   []string
		want     []string
	}{
		{
			name:     "an alias has none, one that has ports and a portal IP has all",
			services: []registry.Object{alias, lifted},
			want: []string{
				"LIFTED_SERVICE_HOST=10.0.0.2", "LIFTED_SERVICE_PORT=80", "LIFTED_PORT=tcp://10.0.0.2:80", "LIFTED_PORT_80_TCP=tcp://10.0.0.2:80",
				"LIFTED_PORT_80_TCP_PROTO=tcp", "LIFTED_PORT_80_TCP_PORT=80", "LIFTED_PORT_80_TCP_ADDR=10.0.0.2",
			},
		},
		{
			name:     "redis-master has its seven variables",
			services: []registry.Object{service("my-ns", "redis-master", "10.0.0.11", tcp("", 6379))},
			want: []string{
				"REDIS_MASTER_SERVICE_HOST=10.0.0.11",
				"REDIS_MASTER_SERVICE_PORT=6379",
				"REDIS_MASTER_PORT=tcp://10.0.0.11:6379",
				"REDIS_MASTER_PORT_6379_TCP=tcp://10.0.0.11:6379",
				"REDIS_MASTER_PORT_6379_TCP_PROTO=tcp",
				"REDIS_MASTER_PORT_6379_TCP_PORT=6379",
				"REDIS_MASTER_PORT_6379_TCP_ADDR=10.0.0.11",
			},
		},
		{
			name:     "named ports have a variable each, and each port its link",
			services: []registry.Object{service("my-ns", "dns", "10.0.0.10", udp("dns", 53), tcp("dns-tcp", 53))},
			want: []string{
				"DNS_SERVICE_HOST=10.0.0.10",
				"DNS_SERVICE_PORT=53",
				"DNS_SERVICE_PORT_DNS=53",
				"DNS_SERVICE_PORT_DNS_TCP=53",
				"DNS_PORT=udp://10.0.0.10:53",
				"DNS_PORT_53_UDP=udp://10.0.0.10:53",
				"DNS_PORT_53_UDP_PROTO=udp",
				"DNS_PORT_53_UDP_PORT=53",
				"DNS_PORT_53_UDP_ADDR=10.0.0.10",
				"DNS_PORT_53_TCP=tcp://10.0.0.10:53",
				"DNS_PORT_53_TCP_PROTO=tcp",
				"DNS_PORT_53_TCP_PORT=53",
				"DNS_PORT_53_TCP_ADDR=10.0.0.10",
			},
		},
		{
			name:     "an IPv6 address stands in brackets in URLs only",
			services: []registry.Object{service("my-ns", "web", "fd00::7", tcp("", 80))},
			want: []string{
				"WEB_SERVICE_HOST=fd00::7",
				"WEB_SERVICE_PORT=80",
				"WEB_PORT=tcp://[fd00::7]:80",
				"WEB_PORT_80_TCP=tcp://[fd00::7]:80",
				"WEB_PORT_80_TCP_PROTO=tcp",
				"WEB_PORT_80_TCP_PORT=80",
				"WEB_PORT_80_TCP_ADDR=fd00::7",
			},
		},
		{
			name:     "a service without a portal IP has none",
			services: []registry.Object{service("my-ns", "headless", "", tcp("", 80))},
		},
		{
			name:     "a service without ports has its host",
			services: []registry.Object{service("my-ns", "bare", "10.0.0.9")},
			want:     []string{"BARE_SERVICE_HOST=10.0.0.9"},
		},
		{
			name: "of two claims to a variable the first service's stands",
			services: []registry.Object{
				service("my-ns", "db-service", "10.0.0.2", tcp("", 80)),
				service("my-ns", "db", "10.0.0.1", tcp("", 5432)),
			},
			want: []string{
				"DB_SERVICE_HOST=10.0.0.1",
				"DB_SERVICE_PORT=5432",
				"DB_PORT=tcp://10.0.0.1:5432",
				"DB_PORT_5432_TCP=tcp://10.0.0.1:5432",
				"DB_PORT_5432_TCP_PROTO=tcp",
				"DB_PORT_5432_TCP_PORT=5432",
				"DB_PORT_5432_TCP_ADDR=10.0.0.1",
				"DB_SERVICE_SERVICE_HOST=10.0.0.2",
				"DB_SERVICE_SERVICE_PORT=80",
				"DB_SERVICE_PORT_80_TCP=tcp://10.0.0.2:80",
				"DB_SERVICE_PORT_80_TCP_PROTO=tcp",
				"DB_SERVICE_PORT_80_TCP_PORT=80",
				"DB_SERVICE_PORT_80_TCP_ADDR=10.0.0.2",
			},
		},
		{
			name: "a name that no shell takes is left out",
			services: []registry.Object{
				service("my-ns", "x;reboot", "10.0.0.1"),
				service("my-ns", "1st", "10.0.0.2"),
				service("my-ns", "", "10.0.0.3"),
				service("my-ns", "ok", "10.0.0.4", registry.Port{Name: "$(id)", Protocol: "T CP", Port: 1}),
			},
			want: []string{"OK_SERVICE_HOST=10.0.0.4", "OK_SERVICE_PORT=1", "OK_PORT=t cp://10.0.0.4:1"},
		},
		{
			name: "only the services asked for",
			services: []registry.Object{
				service("my-ns", "one", "10.0.0.1"), service("my-ns", "two", "10.0.0.2"), service("my-ns", "three", "10.0.0.3"),
			},
			filter: []string{"two", "one", "absent"},
			want:   []string{"ONE_SERVICE_HOST=10.0.0.1", "TWO_SERVICE_HOST=10.0.0.2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := lines(envvars.Of(registry.Build(1, tt.services...), "my-ns", tt.filter...))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
		})
	}
}

// TestServices is about which services a namespace sees.
func TestServices(t *testing.T) {
	master := service("default", "kubernetes", "10.0.0.1", tcp("", 443))
	readOnly := service("default", "kubernetes-ro", "10.0.0.2", tcp("", 80))
	others := []registry.Object{
		service("default", "private", "10.0.0.3"),
		service("other", "web", "10.0.0.4"),
		service("my-ns", "web", "10.0.0.5"),
		service("my-ns", "api", "10.0.0.6"),
	}
	tests := []struct {
		name      string
		namespace string
		more      []registry.Object
		filter    []string
		want      []string
	}{
		{name: "its own and the masters", namespace: "my-ns", want: []string{"my-ns/api", "default/kubernetes", "default/kubernetes-ro", "my-ns/web"}},
		{name: "the masters in a namespace without services", namespace: "empty", want: []string{"default/kubernetes", "default/kubernetes-ro"}},
		{name: "default sees the masters once", namespace: "default", want: []string{"default/kubernetes", "default/kubernetes-ro", "default/private"}},
		{
			name: "its own wins over a master", namespace: "my-ns",
			more: []registry.Object{service("my-ns", "kubernetes", "10.0.0.7")},
			want: []string{"my-ns/api", "my-ns/kubernetes", "default/kubernetes-ro", "my-ns/web"},
		},
		{
			name: "its own without a portal IP does not", namespace: "my-ns",
			more: []registry.Object{service("my-ns", "kubernetes", "")},
			want: []string{"my-ns/api", "default/kubernetes", "default/kubernetes-ro", "my-ns/web"},
		},
		{name: "a filter holds for the masters too", namespace: "my-ns", filter: []string{"api"}, want: []string{"my-ns/api"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects := slices.Concat([]registry.Object{master, readOnly}, others, tt.more)
			var got []string
			for _, s := range envvars.Services(registry.Build(1, objects...), tt.namespace, tt.filter...) {
				got = append(got, s.Key.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDualStackNamesTheFirstAddress(t *testing.T) {
	s := service("my-ns", "web", "fd00::7")
	s.PortalIPs = append(s.PortalIPs, netip.MustParseAddr("10.0.0.7"))
	got := lines(envvars.Of(registry.Build(1, s), "my-ns"))
	if diff := cmp.Diff([]string{"WEB_SERVICE_HOST=fd00::7"}, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}
