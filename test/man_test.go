package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// manual is one of the pages that `make man` makes.
type manual struct {
	name, section string
	sections      []string // that it has, in this order; others may stand between
}

var manuals = []manual{
	{"svcctl", "1", []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "SEE ALSO"}},
	{"proxyd", "8", []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "SEE ALSO"}},
	{"svcreg-standalone", "8", []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "SEE ALSO"}},
	{"coredns-svcreg", "7", []string{"NAME", "DESCRIPTION", "SYNTAX", "METRICS", "READY", "EXAMPLES", "BUGS", "SEE ALSO"}},
}

func (m manual) path() string {
	return filepath.Join("..", "bin", "man", "man"+m.section, m.name+"."+m.section)
}

// read returns the page as it is written: roff.
func (m manual) read(t *testing.T) string {
	t.Helper()
	roff, err := os.ReadFile(m.path())
	if err != nil {
		t.Fatalf("%v: run make man first", err)
	}
	return string(roff)
}

// Each page has a title, the sections that man pages have, and the one line
// that whatis shows.
func TestManualSections(t *testing.T) {
	for _, m := range manuals {
		t.Run(m.name, func(t *testing.T) {
			roff := m.read(t)
			for _, pattern := range []string{
				`(?m)^\.TH ` + strings.ToUpper(m.name) + " " + m.section + ` "" "svcreg \S+" "`,
				`(?m)^\.SH NAME\n` + m.name + ` \\- [a-z].*$`,
			} {
				if !regexp.MustCompile(pattern).MatchString(roff) {
					t.Errorf("nothing matches %s in\n%.300s", pattern, roff)
				}
			}
			var sections []string
			for _, header := range regexp.MustCompile(`(?m)^\.SH (.*)$`).FindAllStringSubmatch(roff, -1) {
				if slices.Contains(m.sections, header[1]) {
					sections = append(sections, header[1])
				}
			}
			if diff := cmp.Diff(m.sections, sections); diff != "" {
				t.Errorf("sections (-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing of Markdown is left, and where there is a man program it has nothing
// to complain about.
func TestManualRenders(t *testing.T) {
	leftover := regexp.MustCompile("\\*\\*|``|~~~|\\]\\(|(?m:^ *(\\*|#+) )")
	for _, m := range manuals {
		t.Run(m.name, func(t *testing.T) {
			if left := leftover.FindAllString(m.read(t), -1); left != nil {
				t.Errorf("in roff there is %q", left)
			}
			shown := m.show(t)
			if left := leftover.FindAllString(shown, -1); left != nil {
				t.Errorf("man shows %q", left)
			}
			if shown != "" && !strings.Contains(shown, "SEE ALSO") {
				t.Errorf("man shows no end:\n%s", shown)
			}
		})
	}
}

// show returns what a reader sees, or nothing without a man program.
func (m manual) show(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("man"); err != nil {
		return ""
	}
	cmd := exec.CommandContext(t.Context(), "man", "--warnings", "--local-file", m.path())
	cmd.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8", "MANPAGER=cat")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	shown, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("man: %v: %s", err, complaints.String())
	}
	return string(shown)
}

// A program's page has every command, flag and example that --help speaks of.
func TestManualOfCommands(t *testing.T) {
	for _, m := range manuals {
		if m.section == "7" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			roff := m.read(t)
			commands := [][]string{nil}
			for _, name := range subcommands(help(t, m.name)) {
				commands = append(commands, []string{name})
				if want := fmt.Sprintf("\n.SS %s %s", m.name, name); !strings.Contains(roff, want) {
					t.Errorf("there is no %q", want)
				}
			}
			for _, command := range commands {
				said := help(t, m.name, command...)
				for _, flag := range regexp.MustCompile(`(?m)^ +(?:-\w, +)?(--[a-z-]+) `).FindAllStringSubmatch(said, -1) {
					if flag[1] != "--help" && !strings.Contains(roff, `\fB`+flag[1]+`\fP`) {
						t.Errorf("%s %v: there is no %s", m.name, command, flag[1])
					}
				}
				_, examples, found := strings.Cut(said, "\nExamples:\n")
				if first, _, _ := strings.Cut(examples, "\n"); found && !strings.Contains(roff, ".EX\n"+first) {
					t.Errorf("%s %v: there is no block that begins with %q", m.name, command, first)
				}
			}
		})
	}
}

func help(t *testing.T, name string, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program(t, name), append(command, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// subcommands returns those that a program's help has, but for the ones that
// every program has.
func subcommands(help string) (names []string) {
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.SplitSeq(list, "\n") {
		if name := strings.Fields(line)[0]; name != "help" && name != "completion" {
			names = append(names, name)
		}
	}
	return names
}

// The plugin's page has an item for each property, not a lump of text: what
// Markdown's readers agree on least is what stands in a list.
func TestManualOfThePlugin(t *testing.T) {
	roff := manuals[3].read(t)
	_, syntax, _ := strings.Cut(roff, ".SH SYNTAX\n.EX\n")
	block, items, found := strings.Cut(syntax, ".EE\n")
	if !found {
		t.Fatal("there is no block in SYNTAX")
	}
	properties := regexp.MustCompile(`(?m)^    ([a-z_]+)`).FindAllStringSubmatch(block, -1)
	if len(properties) == 0 {
		t.Error("the block has no properties")
	}
	for _, property := range properties {
		if want := ".IP \\(bu 2\n\\fB" + property[1]; !strings.Contains(items, want) {
			t.Errorf("there is no %q", want)
		}
	}
}

// The pages of CoreDNS itself and of its plugins come along, as far as they
// are in the program.
func TestManualsOfCoreDNS(t *testing.T) {
	for _, page := range []string{"man1/coredns.1", "man5/corefile.5", "man7/coredns-forward.7", "man7/coredns-metrics.7"} {
		if _, err := os.Stat(filepath.Join("..", "bin", "man", page)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat("../bin/man/man7/coredns-kubernetes.7"); err == nil {
		t.Error("there is a page of kubernetes, which is not in the program")
	}
}
