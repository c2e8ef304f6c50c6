package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// failing is a kernel that fails in ways of its own.
type failing struct {
	*Fake
	err  func() error
	runs int
}

func (k *failing) Restore(ctx context.Context, family rules.Family, input []byte) error {
	k.runs++
	if err := k.err(); err != nil {
		return err
	}
	return k.Fake.Restore(ctx, family, input)
}

func TestOneRefusedServiceDoesNotBlockOthers(t *testing.T) {
	services := many(500, 2)
	bad, neighbour := services[123], service{name: "neighbour", portals: []string{"10.0.0.1"}, backends: []string{"10.1.0.1"}}
	services = append(services, neighbour, service{name: "bad2", portals: []string{"10.0.0.2"}, backends: []string{"10.1.0.2"}})
	n := &testNode{world: newWorld(services...), kernel: NewFake()}
	n.kernel.Refuse = func(rule string) bool {
		return strings.Contains(rule, bad.backends[1]+":") || strings.Contains(rule, "10.1.0.2:")
	}
	n.proxier = NewWithKernel(Config{}, n.kernel, Features{})
	err := n.proxier.Sync(t.Context(), n.rules, nil, nil)
	var rejected *rules.RejectedError
	if !errors.As(err, &rejected) {
		t.Fatalf("got %v, want a RejectedError", err)
	}
	if diff := cmp.Diff("[my-ns/bad2 my-ns/"+bad.name+"]", fmt.Sprint(rejected.Keys())); diff != "" {
		t.Errorf("rejected services (-want +got):\n%s", diff)
	}
	for _, s := range services {
		got := n.kernel.Trace(packet("10.1.9.9", s.portals[0]+":80", registry.TCP))
		if want := s.name != bad.name && s.name != "bad2"; want != (len(got) == len(s.backends) && !hasUntranslated(got, s.portals[0])) {
			t.Errorf("service %s: %v", s.name, got)
		}
	}

	n.kernel.Inputs()
	neighbour.backends = []string{"10.1.0.7"}
	n.put(neighbour)
	if err := n.proxier.Sync(t.Context(), n.rules, n.changed, nil); err != nil && !errors.As(err, &rejected) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(even(sentTo("10.1.0.7:8080")), n.kernel.Trace(packet("10.1.9.9", "10.0.0.1:80", registry.TCP)), roughly); diff != "" {
		t.Errorf("a change after a rejection (-want +got):\n%s", diff)
	}
	if inputs := n.kernel.Inputs(); n.kernel.Saves() != 1 || len(inputs) > 10 {
		t.Errorf("a change after a rejection takes %d reads and %d writes", n.kernel.Saves()-1, len(inputs))
	}
}

func hasUntranslated(outcomes map[Outcome]float64, portal string) bool {
	for o := range outcomes {
		if o.To.Addr().String() == portal {
			return true
		}
	}
	return false
}

func TestRepairedMachineTakesRejectedService(t *testing.T) {
	n := &testNode{world: newWorld(sample...), kernel: NewFake()}
	n.kernel.Refuse = func(rule string) bool { return strings.Contains(rule, "-p sctp") }
	n.proxier = NewWithKernel(Config{}, n.kernel, Features{IPv6: true})
	if err := n.proxier.Sync(t.Context(), n.rules, nil, nil); err == nil {
		t.Fatal("no error for refused rules")
	}
	n.kernel.Refuse = nil
	if err := n.proxier.Sync(t.Context(), n.rules, nil, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(even(sentTo("10.1.0.5:7")), n.kernel.Trace(packet("10.1.9.9", "10.0.0.3:7", registry.SCTP)), roughly); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestFailureIsNotSearched checks that where nothing works no single rule is
// looked for, and that the next Sync reads what stands.
func TestFailureIsNotSearched(t *testing.T) {
	exit := exec.Command("false").Run()
	tests := map[string]error{
		"lock held":       newCommandError("iptables-restore", exit, "Another app is currently holding the xtables lock; still 1s 0us time ahead to have a chance to grab the lock...", nil),
		"command missing": newCommandError("iptables-restore", exec.ErrNotFound, "", nil),
		"time is up":      newCommandError("iptables-restore", context.DeadlineExceeded, "", nil),
	}
	for name, failure := range tests {
		t.Run(name, func(t *testing.T) {
			fail := true
			k := &failing{Fake: NewFake(), err: func() error {
				if fail {
					return failure
				}
				return nil
			}}
			w := newWorld(sample...)
			p := NewWithKernel(Config{}, k, Features{})
			if err := p.Sync(t.Context(), w.rules, nil, nil); !errors.Is(err, failure) || k.runs != 1 {
				t.Errorf("got %v after %d runs, want %v after one", err, k.runs, failure)
			}
			fail = false
			w.remove("dns")
			if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil || k.Saves() != 2 {
				t.Errorf("%v and %d reads, want a full Sync after an error", err, k.Saves())
			}
			if got := k.Trace(packet("10.1.9.9", "10.0.0.1:80", registry.TCP)); len(got) != 3 {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestFailureDropsTheMemory fails a partial Sync, at once and in the midst of
// looking for a refused rule: what was planned counts as not done.
func TestFailureDropsTheMemory(t *testing.T) {
	failure := newCommandError("iptables-restore", exec.ErrNotFound, "", nil)
	for name, passing := range map[string]int{"at once": 0, "while searching": 4} {
		t.Run(name, func(t *testing.T) {
			k := &failing{Fake: NewFake(), err: func() error { return nil }}
			w := newWorld(sample...)
			p := NewWithKernel(Config{}, k, Features{})
			if err := p.Sync(t.Context(), w.rules, nil, nil); err != nil {
				t.Fatal(err)
			}
			k.Refuse = func(rule string) bool { return strings.Contains(rule, "10.1.0.99") }
			k.runs = 0
			k.err = func() error {
				if k.runs > passing {
					return failure
				}
				return nil
			}
			bad := sample[0]
			bad.backends = []string{"10.1.0.98", "10.1.0.99"}
			w.put(bad)
			var rejected *rules.RejectedError
			if err := p.Sync(t.Context(), w.rules, w.changed, nil); !errors.Is(err, failure) || errors.As(err, &rejected) {
				t.Fatalf("got %v, want %v and no RejectedError", err, failure)
			}
			if k.runs != passing+1 {
				t.Errorf("%d runs, want none after the failure", k.runs)
			}
			k.Refuse, k.err = nil, func() error { return nil }
			w.changed = w.changed[:0]
			if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
				t.Fatal(err)
			}
			want := even(sentTo("10.1.0.98:8080"), sentTo("10.1.0.99:8080"))
			if diff := cmp.Diff(want, k.Trace(packet("10.1.9.9", "10.0.0.1:80", registry.TCP)), roughly); diff != "" {
				t.Errorf("the Sync after a failure is not a full one (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFullSyncWritesOnlyWhatDiffers(t *testing.T) {
	n := newNode(t, Config{}, sample...)
	n.kernel.Inputs()
	if err := n.proxier.Sync(t.Context(), n.rules, nil, nil); err != nil {
		t.Fatal(err)
	}
	if inputs := n.kernel.Inputs(); len(inputs) > 0 {
		t.Errorf("written although it stands already: %q", inputs)
	}
}

// TestEverythingRefused checks that a kernel that takes nothing is not asked
// rule by rule.
func TestEverythingRefused(t *testing.T) {
	k := &failing{Fake: NewFake(), err: func() error { return refusedError{"no"} }}
	w := newWorld(many(1000, 5)...)
	if err := NewWithKernel(Config{}, k, Features{}).Sync(t.Context(), w.rules, nil, nil); err == nil || k.runs > 20 {
		t.Errorf("got %v after %d runs, want an error soon", err, k.runs)
	}
}

// TestEachMomentIsRight interrupts large changes after each transaction: every
// packet goes where it went before or where it goes after.
func TestEachMomentIsRight(t *testing.T) {
	before, after := many(2000, 2), many(2000, 2)
	for i := range after {
		after[i].backends = []string{"10.200.0.1", "10.200.0.2"}
	}
	n := newNode(t, Config{}, before[:1600]...)
	n.put(after[400:]...)
	changed := n.changed
	n.remove(names(before[:400])...)
	n.changed = append(changed, n.changed...)
	gone, there := names(before[:400]), names(before[:1600])
	transactions := 0
	k := &failing{Fake: n.kernel}
	k.err = func() error {
		transactions++
		for i, s := range after {
			if i%5 != transactions%5 {
				continue
			}
			now := fmt.Sprint(keys(k.Trace(packet("10.1.9.9", s.portals[0]+":80", registry.TCP))))
			untouched := fmt.Sprintf("[%s:80]", s.portals[0])
			old, next := fmt.Sprintf("[%s:8080 %s:8080]", before[i].backends[0], before[i].backends[1]), "[10.200.0.1:8080 10.200.0.2:8080]"
			if !slices.Contains(there, s.name) {
				old = untouched
			}
			if slices.Contains(gone, s.name) {
				next = untouched
			}
			if now != old && now != next {
				t.Fatalf("after %d transactions %s goes to %s, want %s or %s", transactions, s.name, now, old, next)
			}
		}
		return nil
	}
	n.proxier.kernel.Kernel = k
	n.sync(t)
	if transactions < 3 {
		t.Errorf("only %d transactions: the test is too small", transactions)
	}
	k.err()
}

func names(services []service) []string {
	var all []string
	for _, s := range services {
		all = append(all, s.name)
	}
	return all
}

func keys(outcomes map[Outcome]float64) []string {
	var all []string
	for o := range outcomes {
		all = append(all, o.To.String())
	}
	slices.Sort(all)
	return all
}

func TestForeignRuleThatHoldsAChain(t *testing.T) {
	n := newNode(t, Config{}, sample...)
	var log bytes.Buffer
	n.proxier.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	held := frontendChain(entryChain, "", rules.Frontend{Addr: netip.MustParseAddr("10.0.0.6"), Protocol: registry.TCP, Port: 80})
	mustRestore(t, n.kernel, "*nat\n-A OUTPUT -g "+held+"\nCOMMIT\n")
	n.remove("large", "external", "sctp", "dns", "web")
	n.sync(t)
	if got := n.kernel.Trace(packet("10.1.9.9", "10.0.0.6:80", registry.TCP)); len(got) != 1 {
		t.Errorf("a deleted service still goes to %v", got)
	}
	if !strings.Contains(log.String(), held) {
		t.Errorf("the chain that could not be deleted isn't logged: %q", log.String())
	}
}

func mustRestore(t *testing.T, k Kernel, input string) {
	t.Helper()
	if err := k.Restore(t.Context(), rules.IPv4, []byte(input)); err != nil {
		t.Fatal(err)
	}
}

func TestRemove(t *testing.T) {
	n := newNode(t, Config{}, sample...)
	empty := NewFake()
	mustRestore(t, n.kernel, "*nat\n:MINE - [0:0]\n-A MINE -j SVCREG-SERVICES\n-A PREROUTING -j MINE\nCOMMIT\n")
	mustRestore(t, empty, "*nat\n:MINE - [0:0]\n-A PREROUTING -j MINE\nCOMMIT\n")
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		if err := remove(t.Context(), n.kernel, family); err != nil {
			t.Fatal(err)
		}
		want, _ := empty.Save(t.Context(), family)
		got, _ := n.kernel.Save(t.Context(), family)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", family, diff)
		}
	}
}

func TestWithoutIPv6(t *testing.T) {
	k := NewFake()
	w := newWorld(sample...)
	p := NewWithKernel(Config{}, k, Features{})
	if err := p.Sync(t.Context(), w.rules, nil, nil); err != nil {
		t.Fatal(err)
	}
	if save, _ := k.Save(t.Context(), rules.IPv6); strings.Contains(string(save), ownPrefix) {
		t.Errorf("IPv6 rules on a machine without IPv6:\n%s", save)
	}
}
