package shape

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/services"
)

// linear is kube-proxy's iptables mode, by one of the two backends.
type linear struct {
	backend string // nft or legacy
	list    string // the rules of servicesChain
}

// iptables-nft-restore takes time with the square of the chains that it gets.
// kube-proxy gives it all at once, and waits for minutes at 10,000 services:
// so does this up to whole services, and gives more in parts.
const whole, part = 1000, 100

// Load programs all services. Chains of services and endpoints come first; the
// list that leads to them comes last.
func (l *linear) Load(ctx context.Context, f *services.Fleet) (time.Duration, error) {
	each := f.Len()
	if l.backend == "nft" && each > whole {
		each = part
	}
	began := time.Now()
	if err := l.restore(ctx, linearBase); err != nil {
		return 0, err
	}
	var chains, rules, list strings.Builder
	fmt.Fprintf(&chains, ":%s - [0:0]\n%s", servicesChain, linearMasquerade)
	for i := range f.Len() {
		c, r := linearChains(f.Service(i))
		chains.WriteString(c)
		rules.WriteString(r)
		list.WriteString(linearEntry(f.Service(i)))
		if (i+1)%each == 0 && i+1 < f.Len() {
			if err := l.restore(ctx, "*nat\n"+chains.String()+rules.String()+"COMMIT\n"); err != nil {
				return 0, err
			}
			chains.Reset()
			rules.Reset()
		}
	}
	l.list = list.String()
	fmt.Fprintf(&chains, ":%s - [0:0]\n", servicesChain)
	if err := l.restore(ctx, "*nat\n"+chains.String()+rules.String()+l.list+linearNodePorts+"COMMIT\n"); err != nil {
		return 0, err
	}
	return time.Since(began), l.restore(ctx, linearJumps)
}

// Change does as kube-proxy's partial sync: the changed service's chains, and
// the whole list.
func (l *linear) Change(ctx context.Context, old, now services.Service) (time.Duration, error) {
	var b, emptied, deleted strings.Builder
	chains, rules := linearChains(now)
	for i, addr := range old.Service.Endpoints {
		if addr != now.Service.Endpoints[i] {
			fmt.Fprintf(&emptied, ":%s - [0:0]\n", endpointChain(old, i))
			fmt.Fprintf(&deleted, "-X %s\n", endpointChain(old, i))
		}
	}
	fmt.Fprintf(&b, "%s*nat\n:%s - [0:0]\n", linearBase, servicesChain)
	for _, text := range []string{linearMasquerade, chains, emptied.String(), rules, l.list, linearNodePorts, deleted.String(), "COMMIT\n"} {
		b.WriteString(text)
	}
	began := time.Now()
	err := l.restore(ctx, b.String())
	return time.Since(began), err
}

func (l *linear) restore(ctx context.Context, input string) error {
	return command(ctx, input, "iptables-"+l.backend+"-restore", "--noflush", "-w", "5")
}

// command runs a command on the host of the calling thread.
func command(ctx context.Context, input string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the benchmark's own
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
