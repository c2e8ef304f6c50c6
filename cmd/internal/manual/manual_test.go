package manual

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

const want = `# SVC 1 "" "svcreg v1.2.3" "svcreg"

## NAME

svc - do things to \*services\*

## SYNOPSIS

**svc** [*flags*] [*command*]

## DESCRIPTION

Svc does things,
one \_after\_ another.

## OPTIONS

They go with every command, too.

**--endpoints** *URLs*
: where etcd is: URLs (default http://127.0.0.1:2379)

**-q**, **--quiet**
: say nothing

## COMMANDS

### svc get KIND \[flags\]

Show objects.

**-o**, **--output** *FORMAT*
: FORMAT: \<json\> or yaml (default json)

Examples:

` + "```" + `
  svc get services
` + "```" + `

### svc get all

Everything.

## SEE ALSO

**other**(8), **svc-plugin**(7)
`

func TestPage(t *testing.T) {
	root := &cobra.Command{Use: "svc", Short: "Do things to *services*", Long: "Svc does things,\none _after_ another."}
	root.PersistentFlags().StringSlice("endpoints", []string{"http://127.0.0.1:2379"}, "where etcd is: `URLs`")
	root.PersistentFlags().BoolP("quiet", "q", false, "say nothing")
	root.PersistentFlags().Int("secret", 7, "not for everybody")
	root.PersistentFlags().Lookup("secret").Hidden = true
	get := &cobra.Command{Use: "get KIND", Short: "Show objects", Example: "  svc get services", Run: func(*cobra.Command, []string) {}}
	get.Flags().StringP("output", "o", "json", "`FORMAT`: <json> or yaml")
	all := &cobra.Command{Use: "all", Short: "Everything.", Run: func(*cobra.Command, []string) {}}
	get.AddCommand(all)
	root.AddCommand(get, Command(1, "v1.2.3", "other(8)", "svc-plugin(7)"))
	var out strings.Builder
	root.SetOut(&out)
	root.SetArgs([]string{"man"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}
