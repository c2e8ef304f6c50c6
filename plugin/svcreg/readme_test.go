package svcreg

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// These are CoreDNS's rules for a plugin's README, which becomes a man page,
// and a few of our own: what it says and what the code has are the same. That
// its Corefiles start as they stand is tested in cmd/coredns.

// section is a part of the README: its title, and the text below it.
type section struct{ title, text string }

type readme []section

// readReadme returns the README's sections; the first one is its title.
func readReadme(t *testing.T) readme {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var r readme
	for part := range strings.SplitSeq("\n"+string(text), "\n## ") {
		title, body, _ := strings.Cut(part, "\n")
		r = append(r, section{title, body})
	}
	return r
}

func (r readme) titles() (titles []string) {
	for _, s := range r[1:] {
		titles = append(titles, s.title)
	}
	return titles
}

func (r readme) section(t *testing.T, title string) string {
	t.Helper()
	i := slices.IndexFunc(r, func(s section) bool { return s.title == title })
	if i < 0 {
		t.Fatalf("there is no section %s", title)
	}
	return r[i].text
}

var codeBlock = regexp.MustCompile(`(?ms)^( *)~~~(| [a-z]+)\n(.*?)^ *~~~$`)

// prose is the whole text without blocks and without what is literal.
func (r readme) prose() string {
	var all strings.Builder
	for _, s := range r {
		all.WriteString(s.title + "\n" + s.text + "\n")
	}
	prose := codeBlock.ReplaceAllString(all.String(), "")
	return regexp.MustCompile("`[^`]+`").ReplaceAllString(prose, "")
}

// mustHave are the sections that there must be, in this order. Others may
// stand between them.
var mustHave = []string{"Name", "Description", "Syntax", "Metrics", "Ready", "Examples", "Bugs", "See Also"}

func TestReadmeSections(t *testing.T) {
	r := readReadme(t)
	if strings.TrimSpace(r[0].text) != "# "+pluginName {
		t.Errorf("the title is %q, want # %s", strings.TrimSpace(r[0].text), pluginName)
	}
	var got []string
	seen := map[string]bool{}
	for _, title := range r.titles() {
		if seen[title] {
			t.Errorf("there are two sections %s", title)
		}
		if seen[title] = true; slices.Contains(mustHave, title) {
			got = append(got, title)
		}
	}
	if diff := cmp.Diff(mustHave, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
	if name := strings.TrimSpace(r.section(t, "Name")); !regexp.MustCompile(`^\*` + pluginName + `\* - [a-z].*\.$`).MatchString(name) {
		t.Errorf("Name is %q, want *%s* - and one line that says what it does", name, pluginName)
	}
}

func TestReadmeForm(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.TrimRight(line, " \t\r") != line:
			t.Errorf("line %d ends with white space", i+1)
		case strings.Contains(line, "\t"):
			t.Errorf("line %d has a tab", i+1)
		case strings.HasPrefix(line, "```"):
			t.Errorf("line %d: a block begins with ~~~, as those that are tested do", i+1)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(link[1], "https://") {
			t.Errorf("link to %s: want an https one, which leads somewhere from a man page too", link[1])
		}
	}
	for _, name := range regexp.MustCompile(`[a-z0-9-]+\.(?:com|net|org|io)\b`).FindAllString(string(text), -1) {
		if !slices.Contains([]string{"example.org", "example.net", "example.com", "github.com", "kubernetes.io"}, name) {
			t.Errorf("%s: want example.org or example.net in examples", name)
		}
	}
}

// Plugins' names are in italics and nothing else is; arguments are in bold
// capitals, and stand in the Syntax.
func TestReadmeItalicsAndBold(t *testing.T) {
	r := readReadme(t)
	prose := r.prose()
	plugins := append([]string{pluginName}, dnsserver.Directives...)
	bold := regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	for _, word := range regexp.MustCompile(`\*([^*\s]+)\*`).FindAllStringSubmatch(bold.ReplaceAllString(prose, ""), -1) {
		if !slices.Contains(plugins, word[1]) {
			t.Errorf("*%s* is no plugin", word[1])
		}
	}
	for _, word := range regexp.MustCompile(`(\S+)\s+plugins?\b`).FindAllStringSubmatch(prose, -1) {
		if slices.Contains(plugins, word[1]) {
			t.Errorf("%q: want *%s*", word[0], word[1])
		}
	}
	arguments := regexp.MustCompile(`\b[A-Z]{2,}\b`).FindAllString(codeBlock.FindString(r.section(t, "Syntax")), -1)
	for _, word := range bold.FindAllStringSubmatch(prose, -1) {
		if !slices.Contains(arguments, word[1]) {
			t.Errorf("**%s** is no argument in the Syntax", word[1])
		}
	}
}

// Every property stands in the Syntax, is explained below it, and does exist:
// in the same order here and there.
func TestReadmeProperties(t *testing.T) {
	syntax := readReadme(t).section(t, "Syntax")
	block := codeBlock.FindStringSubmatch(syntax)
	if block == nil {
		t.Fatal("Syntax has no block")
	}
	names := func(pattern, text string) (names []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, match[1])
		}
		return names
	}
	shown := names(`(?m)^    (\S+)`, block[3])
	explained := names("(?m)^\\* `([a-z_]+)[ `]", syntax)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(slices.Values(shown))); diff != "" {
		t.Errorf("the block in Syntax (-code +README):\n%s", diff)
	}
	if diff := cmp.Diff(shown, explained); diff != "" {
		t.Errorf("what is explained (-block +list):\n%s", diff)
	}
}

// Every metric stands in the README with its labels, and does exist.
func TestReadmeMetrics(t *testing.T) {
	text := readReadme(t).section(t, "Metrics")
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\* `([a-z_]+)(?:\\{([a-z_, ]*)\\})?` - [a-z0-9]").FindAllStringSubmatch(text, -1) {
		documented[m[1]] = m[2]
	}
	if diff := cmp.Diff(described(t), documented); diff != "" {
		t.Errorf("metrics and their labels (-code +README):\n%s", diff)
	}
}

// described returns the plugin's metrics in CoreDNS's registry, each with its
// labels. What has no value yet counts too.
func described(t *testing.T) map[string]string {
	t.Helper()
	registry, ok := prometheus.DefaultRegisterer.(prometheus.Collector)
	if !ok {
		t.Fatal("the registry can't be asked for what is in it")
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		registry.Describe(descs)
	}()
	metrics := map[string]string{}
	pattern := regexp.MustCompile(`fqName: "(coredns_` + pluginName + `_[^"]*)".* variableLabels: \{([^}]*)\}`)
	for desc := range descs {
		if m := pattern.FindStringSubmatch(desc.String()); m != nil {
			metrics[m[1]] = strings.ReplaceAll(m[2], ",", ", ")
		}
	}
	return metrics
}
