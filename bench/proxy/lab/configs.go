package lab

import (
	"fmt"
	"net/netip"
)

// longTime is longer than a measure takes: how fast servers are is measured, not
// what they allow.
const longTime = "1h"

// extra are connections to a server beside those of clients.
const extra = 32

// site is where a server of a configuration stands.
type site struct {
	dir             string
	listen, backend netip.AddrPort
	workers         int // processes or threads
	connections     int // of clients
}

// nginxConfig returns a configuration of nginx, of which serve is what it
// serves. With one worker it is a single process.
func nginxConfig(s site, serve string) string {
	master := "on"
	if s.workers == 1 {
		master = "off"
	}
	return fmt.Sprintf(`daemon off;
pid %[1]s/nginx-%[2]d.pid;
error_log stderr warn;
user root;
master_process %[3]s;
worker_processes %[4]d;
events { worker_connections %[5]d; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_timeout %[6]s;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/nginx-%[2]d-body;
	proxy_temp_path %[1]s/nginx-%[2]d-proxy;
	fastcgi_temp_path %[1]s/nginx-%[2]d-fastcgi;
	uwsgi_temp_path %[1]s/nginx-%[2]d-uwsgi;
	scgi_temp_path %[1]s/nginx-%[2]d-scgi;
%[7]s}
`, s.dir, s.listen.Port(), master, s.workers, 2*(s.connections+extra), longTime, serve)
}

// backendConfig is nginx with two bodies: one that is at hand, and one that
// the kernel sends from its cache.
func backendConfig(s site, small string) string {
	return nginxConfig(s, fmt.Sprintf(`	open_file_cache max=16;
	server {
		listen %s backlog=4096;
		location = /%s { default_type text/plain; return 200 %q; }
		location / { default_type text/plain; root %s; }
	}
`, s.listen, Small, small, s.dir))
}

// nginxProxyConfig is nginx as a proxy: connections to the backend are kept,
// and a response is never written to a file.
func nginxProxyConfig(s site) string {
	return nginxConfig(s, fmt.Sprintf(`	map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
	upstream backend {
		server %s;
		keepalive 256;
		keepalive_requests 1000000000;
		keepalive_timeout %s;
	}
	server {
		listen %s backlog=4096;
		location / {
			proxy_pass http://backend;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_read_timeout %[2]s;
			proxy_send_timeout %[2]s;
			proxy_buffer_size 16k;
			proxy_buffers 16 32k;
			proxy_busy_buffers_size 256k;
			proxy_max_temp_file_size 0;
		}
	}
`, s.backend, longTime, s.listen))
}

// haproxyConfig is HAProxy as a proxy, which shares its connections to the
// backend among all clients.
func haproxyConfig(s site) string {
	return fmt.Sprintf(`global
	maxconn %d
	nbthread %d
defaults
	mode http
	timeout connect 5s
	timeout client %[3]s
	timeout server %[3]s
	timeout tunnel %[3]s
	http-reuse always
frontend clients
	bind %s backlog 4096
	default_backend web
backend web
	server backend %s
`, s.connections+extra, s.workers, longTime, s.listen, s.backend)
}
