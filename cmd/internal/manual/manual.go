// Package manual writes a program's manual page from its command line, so that
// the page says what --help says.
package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Command returns a hidden command that prints the page of the program that it
// is added to, in Markdown as go-md2man takes it. The section of the manual is
// 1 for what users run and 8 for daemons; see also names other pages, such as
// "proxyd(8)".
func Command(section int, version string, seeAlso ...string) *cobra.Command {
	return &cobra.Command{
		Use:    "man",
		Short:  "Print the manual page, in Markdown",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var p page
			p.write(cmd.Root(), section, version, seeAlso)
			_, err := io.WriteString(cmd.OutOrStdout(), p.String())
			return err
		},
	}
}

// page is one in the making.
type page struct{ strings.Builder }

func (p *page) printf(format string, args ...any) { fmt.Fprintf(&p.Builder, format, args...) }

func (p *page) write(root *cobra.Command, section int, version string, seeAlso []string) {
	name := root.Name()
	p.printf("# %s %d \"\" \"svcreg %s\" \"svcreg\"\n\n", strings.ToUpper(name), section, version)
	p.printf("## NAME\n\n%s - %s\n\n", name, plain(lower(root.Short)))
	p.printf("## SYNOPSIS\n\n**%s** [*flags*] [*command*]\n\n", name)
	p.printf("## DESCRIPTION\n\n%s\n\n", plain(about(root)))
	p.printf("## OPTIONS\n\nThey go with every command, too.\n\n")
	p.flags(root.LocalFlags())
	p.printf("## COMMANDS\n\n")
	p.commands(root)
	p.printf("## SEE ALSO\n\n")
	for i, other := range seeAlso {
		if i > 0 {
			p.printf(", ")
		}
		title, rest, _ := strings.Cut(other, "(")
		p.printf("**%s**(%s", title, rest)
	}
	p.printf("\n")
}

// commands writes what stands below a command, as deep as it goes.
func (p *page) commands(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		p.printf("### %s\n\n%s\n\n", plain(c.UseLine()), plain(about(c)))
		p.flags(c.LocalFlags())
		if c.Example != "" {
			p.printf("Examples:\n\n```\n%s\n```\n\n", c.Example)
		}
		p.commands(c)
	}
}

// flags writes a list of flags but for --help, which all have.
func (p *page) flags(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if f.Shorthand != "" {
			p.printf("**-%s**, ", f.Shorthand)
		}
		argument, usage := pflag.UnquoteUsage(f)
		if p.printf("**--%s**", f.Name); argument != "" {
			p.printf(" *%s*", plain(argument))
		}
		if value := strings.Trim(f.DefValue, "[]"); !zero[value] {
			usage += " (default " + value + ")"
		}
		p.printf("\n: %s\n\n", plain(usage))
	})
}

// zero are the defaults that go without saying.
var zero = map[string]bool{"": true, "false": true, "0": true, "0s": true}

// about returns the longest description that a command has of itself.
func about(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return strings.TrimSuffix(c.Short, ".") + "."
}

// lower begins a sentence in lower case, unless it begins with a name: the rest
// of that is no lower case.
func lower(sentence string) string {
	if len(sentence) > 1 && strings.ToLower(sentence[1:2]) == sentence[1:2] {
		return strings.ToLower(sentence[:1]) + sentence[1:]
	}
	return sentence
}

// plain keeps Markdown from meaning anything in a text.
func plain(text string) string { return special.Replace(text) }

var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `\<`, `>`, `\>`, `#`, `\#`,
)
