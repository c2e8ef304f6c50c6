// Command coredns is CoreDNS with the svcreg plugin, and without the plugins
// that need a cloud or an apiserver. Its flags are CoreDNS's own; package
// chain has the list of plugins.
package main

import (
	"github.com/coredns/caddy"
	"github.com/coredns/coredns/coremain"

	_ "github.com/svcreg/svcreg/cmd/internal/chain"
)

// version is svcreg's, set by the linker.
var version = "devel"

func main() {
	caddy.AppVersion = coremain.CoreVersion + "+svcreg-" + version
	coremain.Run()
}
