// Command coredns is the server that the benchmark measures: one CoreDNS with
// svcreg and with every plugin that svcreg is compared with, so that nothing
// differs but the plugin. It is not what svcreg ships: that is ../../cmd/coredns.
package main

import (
	"fmt"
	"os"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/etcd"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/pprof"
	_ "github.com/coredns/coredns/plugin/whoami"

	_ "github.com/svcreg/svcreg/plugin/svcreg"
)

// directives are the plugins in CoreDNS's own order, svcreg where kubernetes is.
var directives = []string{
	"bind",
	"pprof",
	"prometheus",
	"cache",
	"hosts",
	"kubernetes",
	"svcreg",
	"file",
	"etcd",
	"whoami",
}

func main() {
	if err := dnsserver.SetDirectives(directives); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	coremain.Run()
}
