package proxyd

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

var update = flag.Bool("update", false, "write what the scenarios of testdata/scenarios come to into their files")

// TestScenarios runs testdata/scenarios: a file for each feature of the data
// plane, which documents it. Each has
//
//	flags         proxyd's, a line each
//	registry.yaml the services, and the nodes with their addresses
//	packets.txt   what becomes of packets, at the node of --hostname-override
//	              unless a line names another one
//	iptables.txt  what "proxyd render" prints at that node
//	nft.txt       the same for --proxy-mode=nftables; without what is always
//	              there, unless there are no rules at all
//
// The packets are traced over the rules, and over both texts.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newScenario(t, archive)
			s.check(t)
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// scenario is one file.
type scenario struct {
	archive  *txtar.Archive
	config   Config
	snapshot *registry.Snapshot
	packets  []scenarioPacket
}

// scenarioPacket is a line of packets.txt:
//
//	tcp 10.1.2.3 > 10.0.0.11:80 on n1: dnat 10.1.0.1:8080 masqueraded | 10.1.0.2:8080
type scenarioPacket struct {
	question string // up to the colon
	from     netip.Addr
	to       rules.Frontend
	node     string
	want     string
}

var packetLine = regexp.MustCompile(`^(tcp|udp|sctp) (\S+) > (\S+)(?: on (\S+))?: ?(.*)$`)

func newScenario(t *testing.T, archive *txtar.Archive) *scenario {
	t.Helper()
	s := &scenario{archive: archive, config: DefaultConfig()}
	settings := s.config.Settings()
	for line := range strings.Lines(s.file("flags")) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "--"), "=")
		i := slices.IndexFunc(settings, func(one Setting) bool { return one.Name == name })
		if i < 0 {
			t.Fatalf("flags: %q: no such flag", name)
		}
		if err := settings[i].Value.Set(value); err != nil {
			t.Fatalf("flags: %s: %v", name, err)
		}
	}
	s.snapshot = registrytest.Snapshot(t, s.file("registry.yaml"))
	for line := range strings.Lines(s.file("packets.txt")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			s.packets = append(s.packets, s.packet(t, line))
		}
	}
	return s
}

func (s *scenario) packet(t *testing.T, line string) scenarioPacket {
	t.Helper()
	m := packetLine.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("packets.txt: %q: want %v", line, packetLine)
	}
	to, err := netip.ParseAddrPort(m[3])
	if err != nil {
		t.Fatalf("packets.txt: %q: %v", line, err)
	}
	p := scenarioPacket{
		question: line[:len(line)-len(m[5])], to: rules.Frontend{Addr: to.Addr(), Protocol: registry.Protocol(strings.ToUpper(m[1])), Port: to.Port()},
		node: m[4], want: m[5],
	}
	if p.from, err = netip.ParseAddr(m[2]); err != nil {
		t.Fatalf("packets.txt: %q: %v", line, err)
	}
	p.question = strings.TrimRight(p.question, " ")
	return p
}

func (s *scenario) file(name string) string {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (s *scenario) set(name, text string) {
	for i := range s.archive.Files {
		if s.archive.Files[i].Name == name {
			s.archive.Files[i].Data = []byte(text)
			return
		}
	}
	s.archive.Files = append(s.archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

// at returns what proxyd does on a node: the one of the flags if the name is
// empty.
func (s *scenario) at(t *testing.T, node string) (*Config, *policy) {
	t.Helper()
	config := s.config
	if node != "" {
		config.NodeName = node
	}
	p, err := config.policy()
	if err != nil {
		t.Fatal(err)
	}
	p.listening = func() (sockets, error) { return nobody{}, nil }
	var addrs []netip.Addr
	if n := s.snapshot.Node(config.NodeName); n != nil {
		addrs = n.IPs
	}
	p.take(&news{addrs: addrs, moved: true}, s.snapshot)
	return &config, p
}

// nobody listens anywhere.
type nobody struct{}

func (nobody) Listens(registry.Protocol, netip.AddrPort) bool { return false }

// check compares everything, or writes it into the archive.
func (s *scenario) check(t *testing.T) {
	t.Helper()
	if *update {
		s.answer(t)
	}
	for _, p := range s.packets {
		_, policy := s.at(t, p.node)
		v := rules.Trace(rules.Compile(s.snapshot, policy.Policy), p.from, p.to)
		if got := verdictText(&v); got != p.want {
			t.Errorf("%s by the rules: %s (%s), want %s", p.question, got, strings.Join(v.Reasons, "; "), p.want)
		}
	}
	for _, mode := range []struct {
		mode  Mode
		file  string
		trace func(*testing.T, string, *policy, scenarioPacket) string
	}{
		{IPTables, "iptables.txt", traceIPTables},
		{NFTables, "nft.txt", traceNFT},
	} {
		got := s.render(t, mode.mode, "")
		if mode.mode == NFTables && s.snapshot.Count(registry.KindService) > 0 {
			got = s.beyond(t, got)
		}
		if *update {
			s.set(mode.file, got)
		} else if diff := cmp.Diff(s.file(mode.file), got); diff != "" {
			t.Errorf("%s (-want +got; -update writes it):\n%s", mode.file, diff)
		}
		for _, p := range s.packets {
			_, policy := s.at(t, p.node)
			if got := mode.trace(t, s.render(t, mode.mode, p.node), policy, p); got != p.want {
				t.Errorf("%s by %s: %s, want %s", p.question, mode.mode, got, p.want)
			}
		}
	}
}

// answer writes the verdicts of the rules into packets.txt.
func (s *scenario) answer(t *testing.T) {
	t.Helper()
	var b strings.Builder
	next := 0
	for line := range strings.Lines(s.file("packets.txt")) {
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' {
			b.WriteString(line)
			continue
		}
		p := &s.packets[next]
		next++
		_, policy := s.at(t, p.node)
		v := rules.Trace(rules.Compile(s.snapshot, policy.Policy), p.from, p.to)
		p.want = verdictText(&v)
		fmt.Fprintf(&b, "%s %s\n", p.question, p.want)
	}
	s.set("packets.txt", b.String())
}

// render returns what proxyd render prints on a node.
func (s *scenario) render(t *testing.T, mode Mode, node string) string {
	t.Helper()
	config, policy := s.at(t, node)
	config.ProxyMode = mode
	var b bytes.Buffer
	if err := config.render(&b, s.snapshot, policy); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// beyond returns what nft's text has beyond that for a registry without
// services.
func (s *scenario) beyond(t *testing.T, text string) string {
	t.Helper()
	empty := *s
	empty.snapshot = &registry.Snapshot{}
	divide := func(text string) (comments, v4, v6 string) {
		i4, i6 := strings.Index(text, "table ip "), strings.Index(text, "table ip6 ")
		return text[:i4], text[i4:i6], text[i6:]
	}
	_, common4, common6 := divide(empty.render(t, NFTables, ""))
	comments, v4, v6 := divide(text)
	v4, ok4 := strings.CutPrefix(v4, common4)
	v6, ok6 := strings.CutPrefix(v6, common6)
	if !ok4 || !ok6 {
		t.Fatalf("nft's text doesn't begin with what is always there: %s", text)
	}
	return comments + v4 + v6
}

// verdictText returns a verdict as packets.txt has it.
func verdictText(v *rules.Verdict) string {
	if v.Fate != rules.Sent {
		return v.Fate.String()
	}
	var hops []string
	for _, hop := range v.To {
		hops = append(hops, hopText(hop))
	}
	return "dnat " + strings.Join(hops, " | ")
}

func hopText(hop rules.Hop) string {
	text := rules.Target{Backends: []rules.Backend{hop.Backend}}.String()
	if hop.Masqueraded {
		text += " masqueraded"
	}
	return text
}
