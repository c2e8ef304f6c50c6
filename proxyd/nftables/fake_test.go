package nftables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// fake is a kernel that remembers elements, and refuses those it is told to.
type fake struct {
	table   *standing
	scripts []string
	reads   int
	commits int
	made    uint32 // transactions, of whomever
	// errs are what the next commits fail with.
	errs []error
	// meanwhile is what somebody else does after each commit.
	meanwhile func()
	// refuses says which elements are refused.
	refuses func(element) bool
}

func (k *fake) run(_ context.Context, script string) error {
	k.scripts = append(k.scripts, script)
	k.made++
	if strings.Contains(script, "delete table") {
		k.table = &standing{classes: map[class]bool{}}
		for id := range k.table.elements {
			k.table.elements[id] = map[string]string{}
		}
	}
	for line := range strings.Lines(script) {
		var major, minor uint32
		if n, _ := fmt.Sscanf(line[max(0, strings.Index(line, "{")):], "{ %x:%x : goto", &major, &minor); n == 2 {
			k.table.classes[class(major<<16|minor)] = true
		}
	}
	return nil
}

func (k *fake) read(f rules.Family) (*standing, error) {
	k.reads++
	return k.glance(f)
}

func (k *fake) glance(rules.Family) (*standing, error) {
	if k.table == nil {
		return nil, nil //nolint:nilnil // nothing stands
	}
	s := *k.table
	for id := range s.elements {
		s.elements[id] = maps.Clone(s.elements[id])
	}
	s.classes = maps.Clone(s.classes)
	return &s, nil
}

func (k *fake) generation() (uint32, error) { return k.made, nil }

func (k *fake) sign(_ rules.Family, version uint32) error {
	k.made++
	k.table.version = version
	return nil
}

func (k *fake) commit(_ rules.Family, gone, come []element) error {
	k.commits++
	if len(k.errs) > 0 {
		err := k.errs[0]
		k.errs = k.errs[1:]
		return err
	}
	if k.table == nil {
		return syscall.ENOENT
	}
	after := map[slot]string{}
	for _, e := range gone {
		if _, ok := k.table.elements[e.set][e.key+e.end]; !ok {
			return syscall.ENOENT
		}
		after[e.at()] = "gone"
	}
	for _, e := range come {
		if k.refuses != nil && k.refuses(e) {
			return fmt.Errorf("conn.Receive: %w", syscall.EINVAL)
		}
		if have, ok := k.table.elements[e.set][e.key+e.end]; ok && have != e.value && after[e.at()] == "" {
			return syscall.EBUSY
		}
	}
	for _, e := range gone {
		delete(k.table.elements[e.set], e.key+e.end)
	}
	for _, e := range come {
		k.table.elements[e.set][e.key+e.end] = e.value
	}
	if len(gone)+len(come) > 0 {
		k.made++
	}
	if k.meanwhile != nil {
		k.meanwhile()
	}
	return nil
}

func (k *fake) replace(f rules.Family, all []element) error {
	if k.refuses != nil && slices.ContainsFunc(all, k.refuses) {
		return fmt.Errorf("conn.Receive: %w", syscall.EINVAL)
	}
	for id := range k.table.elements {
		k.table.elements[id] = map[string]string{}
	}
	return k.commit(f, nil, all)
}

// texts returns the frontends that stand, as nft has them.
func (k *fake) texts(ids ...setID) []string {
	var all []string
	for _, id := range ids {
		for at, value := range k.table.elements[id] {
			e := element{set: id, key: at, value: value}
			if id == sources {
				e.key, e.end = at[:len(at)/2], at[len(at)/2:]
			}
			all = append(all, setNames[id]+" "+e.text(rules.IPv4))
		}
	}
	slices.Sort(all)
	return all
}

// The way from any rules to any others is right, and the same as what a repair
// comes to.
func TestChanges(t *testing.T) {
	var manifests []string
	for _, spec := range []string{
		"clusterIP: 10.0.0.1, " + ports, "clusterIP: 10.0.0.1, sessionAffinity: ClientIP, " + ports,
		"clusterIP: 10.0.0.1, type: NodePort, externalTrafficPolicy: Local, externalIPs: [192.0.2.1], " + nodePorts(30001),
		"clusterIP: 10.0.0.1, type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 192.0.2.0/24], " + ports + "}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}",
	} {
		for _, addresses := range [][]string{nil, {"10.1.1.2@here"}, {"10.1.2.2", "10.1.3.2"}, {"10.1.1.2@here", "10.1.2.2"}} {
			manifests = append(manifests, service("a", spec, addresses...))
		}
	}
	manifests = append(manifests, "")
	for i, from := range manifests {
		for j, to := range manifests {
			old, now := compiled(t, from), compiled(t, to)
			stepwise, atOnce := &fake{}, &fake{}
			p := newProxier(Config{}, stepwise, []rules.Family{rules.IPv4})
			carryOut(t, p, old, nil)
			reads := stepwise.reads
			carryOut(t, p, now, now.Differing(old))
			if stepwise.reads != reads {
				t.Errorf("from %d to %d: the kernel was read", i, j)
			}
			carryOut(t, newProxier(Config{}, atOnce, []rules.Family{rules.IPv4}), now, nil)
			but := []setID{frontends, endpoints, picks, sticky, inside, outsiders, admitted, sources}
			if diff := cmp.Diff(atOnce.texts(but...), stepwise.texts(but...)); diff != "" {
				t.Errorf("from %d to %d (-at once +stepwise):\n%s", i, j, diff)
			}
			before := stepwise.commits
			carryOut(t, newProxier(Config{}, stepwise, []rules.Family{rules.IPv4}), now, nil) // hairpins are cleared away
			if diff := cmp.Diff(atOnce.table.elements, stepwise.table.elements); diff != "" || stepwise.commits > before+1 {
				t.Errorf("from %d to %d, adopted, %d commits (-at once +adopted):\n%s", i, j, stepwise.commits-before, diff)
			}
		}
	}
}

func compiled(t *testing.T, manifests string) *rules.Ruleset {
	t.Helper()
	return rules.Compile(registrytest.Snapshot(t, manifests), policyOf())
}

func carryOut(t *testing.T, p *Proxier, r *rules.Ruleset, changed []rules.Frontend) {
	t.Helper()
	if err := p.Sync(t.Context(), r, changed, nil); err != nil {
		t.Fatal(err)
	}
}

// A service that the kernel refuses is set aside, with all else carried out, and
// is told of until the kernel takes it.
func TestRejected(t *testing.T) {
	var all strings.Builder
	for i := range 20 {
		all.WriteString(service(fmt.Sprintf("s%d", i), fmt.Sprintf("clusterIP: 10.0.0.%d, "+ports, i+1), "10.1.1.2"))
	}
	now := compiled(t, all.String())
	k := &fake{refuses: func(e element) bool { return strings.Contains(e.text(rules.IPv4), "10.0.0.7 ") }}
	p := newProxier(Config{}, k, []rules.Family{rules.IPv4})
	bad := registry.Key{Namespace: "ns", Name: "s6"}
	expect := func(err error) {
		t.Helper()
		rejected, ok := errors.AsType[*rules.RejectedError](err)
		if !ok || !slices.Equal(rejected.Keys(), []registry.Key{bad}) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("error %v; want %v rejected", err, bad)
		}
		if n := len(k.table.elements[frontends]); n != 38 {
			t.Errorf("%d frontends, want 38", n)
		}
	}
	expect(p.Sync(t.Context(), now, nil, nil))
	reads := k.reads
	expect(p.Sync(t.Context(), now, []rules.Frontend{}, nil)) // told again, at no cost
	if k.reads != reads {
		t.Error("the kernel was read")
	}
	k.refuses = nil
	carryOut(t, p, now, nil)
	if n := len(k.table.elements[frontends]); n != 40 {
		t.Errorf("%d frontends, want 40", n)
	}
	// One that is changed into something refused loses what it had.
	k.refuses = func(e element) bool { return strings.Contains(e.text(rules.IPv4), "10.1.9.9") }
	next := compiled(t, strings.Replace(all.String(), service("s6", "clusterIP: 10.0.0.7, "+ports, "10.1.1.2"), service("s6", "clusterIP: 10.0.0.7, "+ports, "10.1.9.9"), 1))
	k.refuses = func(e element) bool { return strings.Contains(e.text(rules.IPv4), "10.0.0.7 ") }
	expect(p.Sync(t.Context(), next, next.Differing(now), nil))
}

// Where elements are many they are replaced, and not read but where the kernel
// is against that.
func TestReplace(t *testing.T) {
	var all strings.Builder
	for i := range 20 {
		all.WriteString(service(fmt.Sprintf("s%d", i), fmt.Sprintf("clusterIP: 10.0.0.%d, "+ports, i+1), "10.1.1.2", "10.1.2.2"))
	}
	now := compiled(t, all.String())
	read := &fake{}
	p := newProxier(Config{}, read, []rules.Family{rules.IPv4})
	carryOut(t, p, now, nil)
	for name, test := range map[string]struct {
		less    int // than there are
		refused string
		errs    []error
		reads   int
	}{
		"many":            {0, "", nil, 0},
		"few":             {-1, "", nil, 1},
		"one refused":     {0, "10.0.0.7 ", nil, 1},
		"a passing error": {0, "", []error{syscall.ENOBUFS}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := &fake{}
			first := newProxier(Config{}, k, []rules.Family{rules.IPv4})
			carryOut(t, first, compiled(t, service("old", "clusterIP: 10.0.0.7, "+ports, "10.1.9.9")+service("older", "clusterIP: 10.0.9.9, "+ports)), nil)
			k.reads, k.errs = 0, test.errs
			k.refuses = func(e element) bool {
				return test.refused != "" && strings.Contains(e.text(rules.IPv4), test.refused)
			}
			again := newProxier(Config{}, k, []rules.Family{rules.IPv4})
			again.many = p.Sizes()["elements"] - test.less
			err := again.Sync(t.Context(), now, nil, nil)
			want := maps.Clone(read.table.elements[frontends])
			maps.DeleteFunc(want, func(key, _ string) bool {
				return test.refused != "" && strings.HasPrefix(key, "\x0a\x00\x00\x07")
			})
			if diff := cmp.Diff(want, k.table.elements[frontends]); diff != "" || (err != nil) != (test.refused != "") {
				t.Errorf("error %v; -want +got:\n%s", err, diff)
			}
			if k.reads != test.reads {
				t.Errorf("%d reads, want %d", k.reads, test.reads)
			}
			if test.refused != "" {
				return
			}
			if diff := cmp.Diff(read.table.elements, k.table.elements); diff != "" {
				t.Errorf("-read +replaced:\n%s", diff)
			}
			if diff := cmp.Diff(p.Sizes(), again.Sizes()); diff != "" {
				t.Errorf("sizes: -read +replaced:\n%s", diff)
			}
		})
	}
}

// More slots than a class can have are refused with the service's name.
func TestTooManySlots(t *testing.T) {
	r := &rules.Rule{Target: rules.Target{Backends: make([]rules.Backend, maxSlots+1)}}
	for i := range r.Backends {
		r.Backends[i].Weight = 1
	}
	if tooMany(r) == nil {
		t.Errorf("%d slots pass", maxSlots+1)
	}
	r.Backends = r.Backends[1:]
	if err := tooMany(r); err != nil {
		t.Error(err)
	}
}

// What passes by itself is tried again, what the kernel knows is read again.
func TestTemporaryErrors(t *testing.T) {
	now := compiled(t, service("a", "clusterIP: 10.0.0.1, "+ports, "10.1.1.2"))
	next := compiled(t, service("a", "clusterIP: 10.0.0.1, "+ports, "10.1.2.2"))
	for _, errno := range []syscall.Errno{syscall.ENOBUFS, syscall.EAGAIN, syscall.EBUSY, syscall.ENOENT, syscall.EINTR} {
		k := &fake{errs: []error{errno, errno}}
		p := newProxier(Config{}, k, []rules.Family{rules.IPv4})
		carryOut(t, p, now, nil)
		k.errs = []error{errno, errno}
		carryOut(t, p, next, next.Differing(now))
		if got := k.texts(endpoints)[0]; !strings.Contains(got, "10.1.2.2") {
			t.Errorf("%v: %s", errno, got)
		}
		k.errs = []error{errno, errno, errno, errno}
		if err := p.Sync(t.Context(), now, nil, nil); !errors.Is(err, errno) {
			t.Errorf("error %v, want %v", err, errno)
		}
		k.errs = nil
		carryOut(t, p, now, []rules.Frontend{}) // reads the kernel, whatever changed
		if got := k.texts(endpoints)[0]; !strings.Contains(got, "10.1.1.2") {
			t.Errorf("after an error: %s", got)
		}
	}
}

// A chain is made for a class that is new, and for no other.
func TestClasses(t *testing.T) {
	web := func(n int) *rules.Ruleset {
		var many []string
		for i := range n {
			many = append(many, fmt.Sprintf("10.1.1.%d", i+1))
		}
		return compiled(t, service("a", "clusterIP: 10.0.0.1, "+ports, many...))
	}
	k := &fake{}
	p := newProxier(Config{}, k, []rules.Family{rules.IPv4})
	last := web(1)
	carryOut(t, p, last, nil)
	made := len(k.scripts)
	for _, step := range []struct{ n, scripts int }{{2, 0}, {builtSlots, 0}, {builtSlots + 1, 1}, {3, 1}, {builtSlots + 1, 1}} {
		next := web(step.n)
		carryOut(t, p, next, next.Differing(last))
		if last = next; len(k.scripts) != made+step.scripts {
			t.Errorf("%d endpoints: %d scripts, want %d", step.n, len(k.scripts)-made, step.scripts)
		}
	}
}

// A full sync reads the kernel only if somebody else changed something since,
// whenever that was, or if it isn't known what stands.
func TestReads(t *testing.T) {
	web := func(address string) *rules.Ruleset {
		return compiled(t, service("a", "clusterIP: 10.0.0.1, "+ports, address)+service("b", "clusterIP: 10.0.0.2, "+ports, "10.1.1.2"))
	}
	all := []*rules.Ruleset{web("10.1.1.2"), web("10.1.2.2")}
	k := &fake{}
	p := newProxier(Config{}, k, []rules.Family{rules.IPv4})
	tamper := func() { k.made++; clear(k.table.elements[endpoints]) }
	for _, step := range []struct {
		name  string
		do    func()
		now   int
		reads int
	}{
		{"the first", func() {}, 0, 1},
		{"nothing changed", func() {}, 0, 0},
		{"another policy's rules", func() {}, 1, 0},
		{"after a change", func() { carryOut(t, p, all[0], all[0].Differing(all[1])) }, 0, 0},
		{"somebody else changed something", tamper, 0, 1},
		{"that is repaired", func() {}, 0, 0},
		{"somebody else, then we", func() { tamper(); carryOut(t, p, all[1], all[1].Differing(all[0])) }, 1, 1},
		{"somebody else right after us", func() {
			k.meanwhile = func() { tamper(); k.meanwhile = nil }
			carryOut(t, p, all[0], all[0].Differing(all[1]))
		}, 0, 1},
		{"somebody else within a full sync", func() {
			k.meanwhile = func() { tamper(); k.meanwhile = nil }
			carryOut(t, p, all[1], nil)
		}, 1, 1},
		{"somebody else in place of one of ours without effect", func() {
			k.meanwhile = func() { k.made--; k.meanwhile = nil }
			carryOut(t, p, all[0], all[0].Differing(all[1]))
			tamper()
		}, 1, 1},
		{"after a failure", func() {
			k.errs = []error{syscall.EPERM, syscall.EPERM}
			if err := p.Sync(t.Context(), all[0], nil, nil); !errors.Is(err, syscall.EPERM) {
				t.Errorf("error %v, want EPERM", err)
			}
			k.errs = nil
		}, 0, 1},
	} {
		step.do()
		before := k.reads
		carryOut(t, p, all[step.now], nil)
		if k.reads != before+step.reads {
			t.Errorf("%s: %d reads, want %d", step.name, k.reads-before, step.reads)
		}
		atOnce := &fake{}
		carryOut(t, newProxier(Config{}, atOnce, []rules.Family{rules.IPv4}), all[step.now], nil)
		if diff := cmp.Diff(atOnce.table.elements, k.table.elements); diff != "" {
			t.Errorf("%s (-at once +here):\n%s", step.name, diff)
		}
	}
}
